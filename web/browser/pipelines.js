// The pipelines that the browser gets to see. `\u0000`-free TOML; commands are plain shell.

export const CFG = '[push]\npipeline = "ci.toml"\n'

const text = (value) => `'''\n${value}'''`

/** Fails in two places, prints colours, hostile words and a report, and has what waits for it. */
export const FAILING = `
["/"]
type = "serial"
doc = "What is checked on **every push**. See [the guide](https://example.org/guide)."
env = { GREETING = "hello", EMPTY = "" }
["/build"]
exec = "echo building; sleep 0.1; echo built"
["/checks"]
type = "parallel"
["/checks/unit"]
exec = ${text('for i in $(seq 1 400); do echo "test case_$i ... ok"; done\necho "error: assertion failed: left == right" >&2\necho "  at src/api.rs:88"\nfor i in $(seq 1 60); do echo "note $i"; done\nexit 1\n')}
["/checks/lint & style"]
exec = ${text("printf '\\033[1;32mok\\033[0m 12 files\\n\\033[33mwarning\\033[0m: \\033[38;5;208munused import\\033[0m\\n<img src=x onerror=alert(1)>\\n\\033]8;;javascript:alert(1)\\033\\\\link\\033]8;;\\033\\\\\\n'\n")}
["/checks/docs"]
exec = ${text("echo '<ConductoMarkdown>'; echo '# Coverage'; echo; echo '| part | lines |'; echo '|---|---|'; echo '| api | **91 %** |'; echo '| store | 87 % |'; echo; echo '<script>alert(1)</script> [bad](javascript:alert(1)) [good](https://example.org/)'; echo '</ConductoMarkdown>'\n")}
["/checks/types"]
exec = ${text('echo "src/a.ts:3:7: error TS2322: no"; test -e "$PWD/never"\n')}
["/deploy"]
exec = "echo deploying"
`

/** Goes on until a file appears that the test makes: nothing here depends on how fast the machine is. */
export const live = (gate) => `
["/"]
type = "serial"
["/ticker"]
exec = ${text(`i=0; while [ ! -e ${gate}.go ]; do i=$((i+1)); echo "tick $i"; sleep 0.05; done; echo gone\n`)}
["/after"]
type = "parallel"
["/after/mended"]
exec = ${text(`test -e ${gate}.mended || { echo "error: not mended yet"; exit 3; }; echo mended\n`)}
["/after/fine"]
exec = "true"
`

/** Many nodes, none of which runs: the first fails. */
export const large = (count) => {
  const lines = ['["/"]', 'type = "serial"', '["/first"]', 'exec = "exit 1"', '["/shards"]', 'type = "parallel"']
  for (let group = 0; group < count / 100; group++) {
    lines.push(`["/shards/group-${group}"]`, 'type = "parallel"')
    for (let nth = 0; nth < 100; nth++) lines.push(`["/shards/group-${group}/shard-${nth}"]`, 'exec = "true"')
  }
  return `${lines.join('\n')}\n`
}

/** A log that no page could hold as a whole. */
export const LONG_LOG = `
["/"]
type = "parallel"
["/talk"]
exec = ${text('seq -f "line number %.0f of many" 1 200000; echo "needle in line 200001"\n')}
`
