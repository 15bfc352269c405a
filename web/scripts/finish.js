// After Vite: writes the compressed forms beside each file, and refuses an app that has grown too large to open quickly.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const TARGET = 60_000
const LIMIT = 100_000
const root = new URL('../dist/app/', import.meta.url)

const sizes = new Map()
for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(html|js|css|svg)$/.test(entry.name)) continue
  const path = `${entry.parentPath}/${entry.name}`
  const content = readFileSync(path)
  const gzip = gzipSync(content, { level: 9 })
  writeFileSync(`${path}.gz`, gzip)
  writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
  sizes.set(entry.name, gzip.length)
}

// What the shell names is loaded at once; all else only when somebody wants it.
const shell = readFileSync(new URL('index.html', root), 'utf8')
const initial = [...shell.matchAll(/assets\/([\w.-]+\.(?:js|css))/g)].map((found) => found[1])
const bytes = initial.filter((name) => name.endsWith('.js')).reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0)
console.log(`initial script: ${bytes} bytes compressed (target ${TARGET}, limit ${LIMIT})`)
if (bytes === 0 || bytes > LIMIT) {
  console.error(`the initial script must have more than 0 and at most ${LIMIT} bytes`)
  process.exit(1)
}
