// A whole server for the browser to look at: the true binary with plain processes, a true repository, and a GitHub that takes
// whatever it is told. Knows no pages.
import { execFileSync, spawn } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const SECRET = 'It is a secret to everybody'
const binary = resolve(process.env.CONDUCTO ?? '../target/x86_64-unknown-linux-gnu/debug/conducto')

export async function until(what, look, seconds = 60) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${seconds} seconds for: ${what}`)
    await new Promise((go) => setTimeout(go, 50))
  }
}

export class House {
  static async build() {
    const house = new House()
    house.root = mkdtempSync(join(tmpdir(), 'conducto-browser-'))
    house.github = createServer((_, answer) => answer.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}'))
    await new Promise((go) => house.github.listen(0, '127.0.0.1', go))
    house.git = join(house.root, 'git/acme/api.git')
    house.work = join(house.root, 'work')
    mkdirSync(house.git, { recursive: true })
    house.run('git', 'init', '--quiet', '--bare', '--initial-branch=main', house.git)
    house.run('git', 'init', '--quiet', '--initial-branch=main', house.work)
    const port = await freePort()
    const settings = [
      `listen = "127.0.0.1:${port}"`, 'executor = "process"', 'allow_process = true', '[github]', `webhook_secret = "${SECRET}"`,
      'token = "browser"', `api_url = "http://127.0.0.1:${house.github.address().port}"`, `git_url = "file://${join(house.root, 'git')}"`,
      '[containers]', 'slots = 4', 'cpu = 8', 'mem = 64',
    ]
    writeFileSync(join(house.root, 'conducto.toml'), `${settings.join('\n')}\n`)
    await house.start()
    house.token = readFileSync(join(house.root, 'base/admin-token'), 'utf8').trim()
    return house
  }

  run(command, ...args) {
    const env = { ...process.env, GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.org', GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.org' }
    return execFileSync(command, args, { env, cwd: existsSync(this.work ?? '') ? this.work : this.root, encoding: 'utf8' }).trim()
  }

  async start() {
    const file = join(this.root, 'base/server.json')
    rmSync(file, { force: true })
    this.log = ''
    this.server = spawn(binary, ['serve', '--config', join(this.root, 'conducto.toml'), '--base-dir', join(this.root, 'base')], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.server.stdout, this.server.stderr]) stream.on('data', (text) => (this.log += text))
    let ended = null
    this.server.on('exit', (code) => (ended = code ?? 'signal'))
    this.url = await until('the server serves', () => {
      if (ended !== null) throw new Error(`the server ended with ${ended}:\n${this.log}`)
      return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).url
    })
  }

  async stop(signal = 'SIGTERM') {
    const ended = new Promise((go) => this.server.on('exit', go))
    this.server.kill(signal)
    await ended
  }

  async close() {
    await this.stop()
    this.github.close()
    rmSync(this.root, { recursive: true, force: true })
  }

  async ask(path, init = {}) {
    const answer = await fetch(`${this.url}/api/v1${path}`, { ...init, headers: { authorization: `Bearer ${this.token}` } })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }

  /** Pushes these files and returns the guid of the delivery. */
  async push(message, files, sender = 'kim') {
    const before = existsSync(join(this.work, '.git/refs/heads/main')) ? this.run('git', 'rev-parse', 'HEAD') : '0'.repeat(40)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.work, name), text)
    this.run('git', 'add', '--all')
    this.run('git', 'commit', '--quiet', '--allow-empty', '--message', message)
    this.run('git', 'push', '--quiet', this.git, 'main')
    const after = this.run('git', 'rev-parse', 'HEAD')
    const user = { login: sender, id: 7, type: 'User' }
    const body = JSON.stringify({
      ref: 'refs/heads/main', before, after, created: false, deleted: false, forced: false, base_ref: null, compare: '',
      commits: [], head_commit: { id: after, tree_id: after, message, timestamp: new Date().toISOString(), author: { name: sender }, committer: { name: sender }, added: [], removed: [], modified: [] },
      repository: { id: 4711, name: 'api', full_name: 'acme/api', private: false, owner: { login: 'acme', id: 1, type: 'User' }, default_branch: 'main', clone_url: `file://${this.git}`, html_url: 'https://github.com/acme/api', fork: false },
      pusher: { name: sender }, sender: user,
    })
    const guid = randomUUID()
    const answer = await fetch(`${this.url}/webhooks/github`, {
      method: 'POST', body,
      headers: {
        'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': guid,
        'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
      },
    })
    if (answer.status !== 202) throw new Error(`the webhook was answered ${answer.status}: ${await answer.text()}`)
    return guid
  }

  /** The same, and returns the pipeline that came of it. */
  async launch(message, files) {
    const guid = await this.push(message, files)
    const delivery = await until('the delivery is dealt with', async () => {
      const found = await this.ask(`/deliveries/${guid}`)
      return found.state !== 'new' && found
    })
    if (delivery.pipelines.length !== 1) throw new Error(`${delivery.verdict}\n${delivery.diagnostics}`)
    return delivery.pipelines[0]
  }

  ended(id) {
    return until(`${id} has ended`, async () => {
      const found = await this.ask(`/pipelines/${id}`)
      return found.finished_at && found
    })
  }
}

function freePort() {
  return new Promise((go) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => go(port))
    })
  })
}
