/** Where the engine of the tests listens: Docker's usual place, or what DOCKER_HOST names. Only Unix sockets. */
export const ENGINE_SOCKET = (process.env.DOCKER_HOST || 'unix:///var/run/docker.sock').replace('unix://', '')
