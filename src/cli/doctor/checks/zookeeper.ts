import { existsSync } from 'node:fs'
import type { Check } from '../check.ts'
import { howToInstall } from '../packages.ts'

const JAR = '/usr/share/java/zookeeper.jar'

/** Which master leads is asked of a real ZooKeeper in the tests. Its library and a Java are enough: no service is installed. */
export const zookeeper: Check = {
  name: 'zookeeper',
  needs: ['test'],
  async probe(machine) {
    const { code } = await machine.run('java', '-version')
    if (existsSync(JAR) && code === 0) return { ok: true, detail: JAR }
    const packages = ['libzookeeper-java', 'default-jre-headless']
    const cause = existsSync(JAR) ? 'no Java' : `no ${JAR}`
    return { ok: false, cause, remedy: howToInstall(machine, packages), packages }
  },
}
