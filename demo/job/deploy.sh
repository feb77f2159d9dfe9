#!/bin/sh
# The job of the demo: it gets its secrets in memory, uses them, and is careless enough to print one.
secret() { sed -n "s/^$1: //p" /secrets.yml; }

echo "hello from a container, as $(whoami), with $(wc -l < /secrets.yml) lines in /secrets.yml"
for step in 1 2 3; do
  sleep 0.4
  echo "step $step of 3"
done
echo "oops, the log shows the password: $(secret DB_PASSWORD)"
echo "and the key, in base64: $(secret API_KEY | tr -d '\n' | base64)" >&2
echo "the secrets lie on: $(df /run/writ | tail -n 1 | cut -d ' ' -f 1), which is memory"
exit 7
