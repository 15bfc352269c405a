// What people do with the app, in a real browser against the real server. Each test makes the pipelines that it needs.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { until } from './house.js'
import { CFG, FAILING, large, live, LONG_LOG } from './pipelines.js'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
let gates = 0

/** A pipeline that goes on only when it is told. */
async function gated(house) {
  const gate = join(house.root, `gate-${++gates}`)
  const id = await house.launch(`Tick ${gates}`, { 'conducto.cfg': CFG, 'ci.toml': live(gate) })
  return { id, go: () => writeFileSync(`${gate}.go`, ''), mend: () => writeFileSync(`${gate}.mended`, '') }
}

async function failing(house) {
  const id = await house.launch('Check what is pushed', { 'conducto.cfg': CFG, 'ci.toml': FAILING })
  await house.ended(id)
  return id
}

const row = (page, name) => page.getByRole('treeitem', { name })
const chosen = async (page) => (await page.locator('[role=treeitem][aria-selected=true] .unseen').textContent()) ?? ''
const inLog = (page) => page.locator('.log .box')
const topLine = (page) =>
  page.evaluate(() => {
    const box = document.querySelector('.log .box').getBoundingClientRect()
    const rows = [...document.querySelectorAll('.log .row')]
    return rows.find((one) => one.getBoundingClientRect().bottom > box.top + 1)?.querySelector('.number').textContent
  })

async function accessible(page, where) {
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' — ' + (node.any[0]?.message ?? node.failureSummary)).join('\n    ')}`)
  })
  return found.map((one) => `${where}: ${one}`)
}

export const tests = [
  ['somebody without a token is led to the log-in, and from there to where they wanted', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open({ isSignedIn: false })
    await page.goto(`${house.url}/app/p/${id}`)
    await page.getByLabel('API token').fill('nonsense')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('This token is not known here').waitFor()
    await page.getByLabel('API token').fill(house.token)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('heading', { name: 'Check what is pushed' }).waitFor()
    const cookie = (await page.context().cookies()).find((one) => one.name === 'conducto_token')
    assert.equal(cookie.httpOnly, true)
    assert.equal(await page.evaluate(() => document.cookie), '', 'a script must not see the token')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('API token').waitFor()
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['the first failure is chosen by itself, with its log at the line that says so', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}`)
    await page.getByText('error: assertion failed: left == right').waitFor()
    assert.match(await chosen(page), /^unit, error/)
    assert.match(page.url(), /\/n\/checks\/unit$/)
    assert.match(await page.title(), /^✗ 2 /)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['e goes through all failures once and around, E the other way, from wherever one is', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/build`)
    await row(page, /^build/).waitFor()
    const seen = []
    for (const key of ['e', 'e', 'e', 'E', 'E']) {
      await page.keyboard.press(key)
      seen.push((await chosen(page)).split(',')[0])
    }
    assert.deepEqual(seen, ['unit', 'types', 'unit', 'types', 'unit'])
    // From the log as well, and what runs, waits or is done is found by its letter.
    await inLog(page).focus()
    await page.keyboard.press('e')
    assert.match(await chosen(page), /^types/)
    await page.keyboard.press('g')
    await page.keyboard.press('p')
    assert.match(await chosen(page), /^deploy, pending/)
    await page.getByText('It has not run yet').waitFor()
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['a live run: lines come by themselves, reading is not disturbed, a failure shows, a reset turns it green', async ({ house, open }) => {
    const { id, go, mend } = await gated(house)
    const { page, wrong, close } = await open({ height: 620 })
    await page.goto(`${house.url}/app/p/${id}/n/ticker`)
    await page.getByText('tick 40', { exact: true }).waitFor()
    await page.getByRole('button', { name: '⇣ following' }).waitFor()
    // Going up ends following at once, and what is read stays where it is.
    await inLog(page).hover()
    await page.mouse.wheel(0, -400)
    await page.getByRole('button', { name: /new lines?|⇣ follow$/ }).waitFor()
    const line = await topLine(page)
    const lines = async () => Number((await page.locator('.log .count').textContent()).match(/[\d,]+/)[0].replaceAll(',', ''))
    const before = await lines()
    await until('twenty more lines', async () => (await lines()) > before + 20)
    assert.equal(await topLine(page), line, 'what is read must not move')
    await page.keyboard.press('G')
    await page.getByRole('button', { name: '⇣ following' }).waitFor()
    go()
    await page.getByText('gone', { exact: true }).waitFor()
    await row(page, /^mended, error/).waitFor()
    await page.keyboard.press('e')
    await page.getByText('error: not mended yet').waitFor()
    mend()
    await page.keyboard.press('r')
    await row(page, /^mended, done/).waitFor()
    await page.getByText('mended', { exact: true }).last().waitFor()
    await page.locator('.summary .state', { hasText: 'done' }).waitFor()
    // The first attempt is still there.
    await page.keyboard.press('[')
    await page.getByText('error: not mended yet').waitFor()
    assert.match(page.url(), /\/n\/after\/mended\/a\/1$/)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['a node is edited and run again', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/checks/types`)
    await page.getByRole('button', { name: 'Edit and rerun' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Command').fill('echo "now it is $GREETING"')
    await dialog.getByLabel('Value of GREETING').fill('mended')
    await dialog.getByRole('button', { name: 'Save and run again' }).click()
    await row(page, /^types, done/).waitFor()
    await page.getByText('now it is mended').waitFor()
    const node = await house.ask(`/pipelines/${id}/nodes/checks/types/view`)
    assert.equal(node.attempts.length, 2)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['what takes something away asks first; skip, kill and cancel do what they say', async ({ house, open }) => {
    const { id } = await gated(house)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/after/fine`)
    await page.getByRole('button', { name: 'Skip' }).click()
    await row(page, /^fine, pending, skipped/).waitFor()
    await page.getByRole('button', { name: 'Unskip' }).click()
    await row(page, /^fine, pending$/).waitFor()
    await row(page, /^ticker, running/).click()
    await page.keyboard.press('x')
    // The next key counts at once, before the browser says that the dialog is closed.
    await page.getByRole('dialog').getByRole('button', { name: 'Leave it' }).evaluate((button) => {
      button.click()
      document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'x', bubbles: true }))
    })
    await page.getByRole('dialog').getByRole('button', { name: 'Kill 1 node' }).waitFor()
    await row(page, /^ticker, running/).waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Kill 1 node' }).click()
    await row(page, /^ticker, killed/).waitFor()
    const other = await gated(house)
    await page.goto(`${house.url}/app/p/${other.id}`)
    await row(page, /^ticker, running/).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click()
    await row(page, /^ticker, killed/).waitFor()
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['a log of 200,001 lines: any line by its address, a search over all of it, few lines in the page', async ({ house, open }) => {
    const id = await house.launch('Print many lines', { 'conducto.cfg': CFG, 'ci.toml': LONG_LOG })
    await house.ended(id)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/talk#L150000-L150002`)
    await page.locator('.log .row.chosen').nth(2).waitFor()
    // The first line is a notice of the server's own.
    await page.getByText('line number 149999 of many', { exact: true }).waitFor()
    assert.ok((await page.locator('.log .row').count()) < 100)
    await page.keyboard.press('f')
    await page.keyboard.type('NEEDLE')
    await page.getByText('1 of 1', { exact: true }).waitFor()
    await page.locator('.log mark', { hasText: 'needle' }).waitFor()
    await page.getByLabel('Search the whole log').fill('number 1')
    await page.getByText(/of 111,111/).waitFor()
    await page.getByLabel('Regular expression').click()
    await page.getByLabel('Search the whole log').fill('number 1(')
    await page.getByText(/unclosed group|error/).first().waitFor()
    await page.getByLabel('Search the whole log').fill('^line number 1+ of')
    await page.getByText(/of 6$/).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('G')
    await page.getByText('needle in line 200001').waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('g')
    await page.getByText('line number 1 of many', { exact: true }).waitFor()
    // A line is chosen by its number, a range with shift, and its address is copied.
    await page.getByRole('button', { name: 'Line 3', exact: true }).click()
    await page.getByRole('button', { name: 'Line 5', exact: true }).click({ modifiers: ['Shift'] })
    await page.keyboard.press('c')
    const address = await until('the address is copied', () => page.evaluate(() => navigator.clipboard.readText()))
    assert.match(address, /\/n\/talk\/a\/1#L3-L5$/)
    await page.goto('about:blank')
    await page.goto(address)
    await page.locator('.log .row.chosen').nth(2).waitFor()
    assert.equal(await page.locator('.log .row.chosen').count(), 3)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['after a restart of the server the page goes on, with what happened meanwhile and nothing moved', async ({ house, open }) => {
    const { id, go, mend } = await gated(house)
    mend()
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/ticker`)
    await page.getByText('tick 3', { exact: true }).waitFor()
    await page.getByLabel('Filter nodes').fill('i')
    await house.stop('SIGKILL')
    await page.locator('.summary .fresh.away, .summary .fresh.late').waitFor()
    go()
    await house.start()
    await page.locator('.summary .fresh.live').waitFor()
    await page.locator('.summary .state', { hasText: 'done' }).waitFor()
    await page.getByText('gone', { exact: true }).waitFor()
    assert.match(await chosen(page), /^ticker, done/)
    assert.equal(await page.getByLabel('Filter nodes').inputValue(), 'i')
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['ten thousand nodes: the page holds only what is in sight, and the keys answer', async ({ house, open }) => {
    const id = await house.launch('Many', { 'conducto.cfg': CFG, 'ci.toml': large(10_000) })
    await house.ended(id)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/shards`)
    await row(page, /^shards/).waitFor()
    await page.keyboard.press('*')
    await row(page, /^group-0,/).waitFor()
    const mounted = await page.getByRole('treeitem').count()
    const inSight = await page.evaluate(() => Math.ceil(document.querySelector('[role=tree]').clientHeight / 26))
    assert.ok(mounted <= inSight + 18, `${mounted} rows for ${inSight} in sight`)
    await page.keyboard.press('End')
    await row(page, /^shard-99/).waitFor()
    assert.match(page.url(), /group-99\/shard-99$/)
    await page.keyboard.press('e')
    assert.match(await chosen(page), /^first, error/)
    await page.getByLabel('Filter nodes').fill('group-42/shard-7')
    await row(page, /^shard-7,/).waitFor()
    assert.equal(await page.getByRole('treeitem').count(), 14)
    const snapshot = await fetch(`${house.url}/api/v1/pipelines/${id}/live`, { headers: { authorization: `Bearer ${house.token}` } })
    let bytes = 0
    for await (const piece of snapshot.body) {
      bytes += piece.length
      if (Buffer.from(piece).toString().endsWith('\n\n') && bytes > 1_000) break
    }
    assert.ok(bytes < 700_000, `${bytes} bytes for 10,000 nodes`)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['what nodes print stays text, in the log and in a report', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/p/${id}/n/checks/lint%20%26%20style`)
    await page.getByText('<img src=x onerror=alert(1)>').waitFor()
    assert.equal(await page.locator('.log .text a').count(), 0, 'a link to javascript is no link')
    await page.locator('.log .f2.bold', { hasText: 'ok' }).waitFor()
    await page.goto(`${house.url}/app/p/${id}/n/checks/docs`)
    await page.getByRole('cell', { name: '91 %' }).waitFor()
    await page.locator('.report').getByText('<script>alert(1)</script>').waitFor()
    assert.deepEqual(await page.locator('.report a').evaluateAll((links) => links.map((link) => link.href)), ['https://example.org/'])
    assert.equal(await page.locator('main img, main script').count(), 0)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['the list is live, filtered by its address, and walked by keys; new pipelines push nothing away', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/`)
    await page.locator('li', { hasText: id }).waitFor()
    const first = await page.locator('.list li a').first().getAttribute('href')
    const { id: next, go, mend } = await gated(house)
    await page.getByRole('button', { name: /new pipeline/ }).waitFor()
    assert.equal(await page.locator('.list li a').first().getAttribute('href'), first)
    await page.getByRole('button', { name: /new pipeline/ }).click()
    await page.locator('li', { hasText: next }).locator('.how', { hasText: 'running' }).waitFor()
    go()
    mend()
    await page.locator('li', { hasText: next }).locator('.how', { hasText: 'done' }).waitFor()
    await page.getByRole('button', { name: 'error', exact: true }).click()
    await until('only failures', async () => (await page.locator('li', { hasText: next }).count()) === 0)
    assert.match(page.url(), /state=error/)
    await page.keyboard.press('/')
    await page.keyboard.type('nothing-has-this')
    await page.getByText('No pipeline fits').waitFor()
    await page.getByRole('button', { name: 'Clear the filter' }).click()
    await page.locator('li', { hasText: next }).waitFor()
    await page.locator('h1').click()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('tree').waitFor()
    await page.keyboard.press('u')
    await page.getByRole('heading', { name: 'Pipelines' }).waitFor()
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['a delivery shows its verdict with its mistakes, and is dealt with again', async ({ house, open }) => {
    const guid = await house.push('A mistake', { 'conducto.cfg': '[push]\npipelin = "ci.toml"\n' })
    await until('it is dealt with', async () => (await house.ask(`/deliveries/${guid}`)).state !== 'new')
    const { page, wrong, close } = await open()
    await page.goto(`${house.url}/app/deliveries`)
    await page.locator('li', { hasText: guid }).getByRole('link').first().click()
    await page.getByText('unknown key').first().waitFor()
    await page.getByRole('button', { name: 'Deal with it once more' }).click()
    await page.getByText('It is dealt with once more.').waitFor()
    await page.getByText('unknown key').first().waitFor()
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['whoever may only look is offered nothing to do', async ({ house, open }) => {
    const id = await failing(house)
    const { page, wrong, close } = await open()
    await page.route('**/api/v1/me', (route) => route.fulfill({ json: { name: 'reader', may_operate: false, version: '0' } }))
    await page.goto(`${house.url}/app/p/${id}`)
    await page.getByText('error: assertion failed').waitFor()
    assert.equal(await page.getByRole('button', { name: /Reset|Skip|Kill|Rerun|Edit/ }).count(), 0)
    await page.keyboard.press('r')
    assert.equal((await house.ask(`/pipelines/${id}/nodes/checks/unit/view`)).attempts.length, 1)
    assert.deepEqual(wrong, [])
    await close()
  }],

  ['without script, the same addresses show the pages that need none', async ({ house, browser }) => {
    const id = await failing(house)
    const context = await browser.newContext({ javaScriptEnabled: false })
    await context.addCookies([{ name: 'conducto_token', value: house.token, url: house.url }])
    const page = await context.newPage()
    await page.goto(`${house.url}/app/p/${id}/n/checks/unit`)
    await page.waitForURL(/\?plain$/)
    await page.getByText('error: assertion failed').first().waitFor()
    await context.close()
  }],

  ['every page can be used by everybody, in both themes', async ({ house, open }) => {
    const id = await failing(house)
    const guid = await house.push('A mistake', { 'conducto.cfg': '[push]\npipelin = "ci.toml"\n' })
    await until('it is dealt with', async () => (await house.ask(`/deliveries/${guid}`)).state !== 'new')
    const { id: running, go, mend } = await gated(house)
    const pages = [
      ['/app/', 'Tick'], [`/app/p/${id}`, 'error: assertion failed'], [`/app/p/${id}/n/`, 'What failed'], [`/app/p/${running}/n/ticker`, '⇣ following'],
      [`/app/p/${id}/n/checks/docs`, '91 %'], [`/app/p/${id}/n/deploy`, 'It has not run yet'], [`/app/p/${id}/n/checks/lint%20%26%20style`, 'unused import'],
      [`/app/p/${id}/n/checks/unit#L2`, 'case_2', (page) => page.getByRole('tab', { name: 'Definition' }).click()],
      [`/app/p/${id}/n/checks/unit`, 'error: assertion failed', (page) => page.getByRole('tab', { name: /Attempts/ }).click()],
      [`/app/p/${id}/n/checks/unit`, 'error: assertion failed', async (page) => {
        await page.getByLabel('Search the whole log').fill('case_1')
        await page.getByText('1 of 111').waitFor()
      }],
      [`/app/p/${id}/n/checks/unit`, 'error: assertion failed', async (page) => {
        await page.keyboard.press('m')
        await page.getByRole('dialog').waitFor()
      }],
      ['/app/', 'Tick', async (page) => {
        await page.keyboard.press('?')
        await page.getByRole('dialog').waitFor()
      }],
      ['/app/deliveries', 'started pipeline'], [`/app/deliveries/${guid}`, 'Mistakes found'], ['/app/p/zzz-zzz', 'There is no pipeline'], ['/app/x/y', 'No page has this address'],
      ['/app/?text=nothing-has-this', 'No pipeline fits'], ['/login', 'API token'],
    ]
    const faults = []
    for (const look of [{ theme: 'light' }, { theme: 'dark' }, { theme: 'light', width: 390 }]) {
      const { page, wrong, close } = await open(look)
      for (const [address, words, after] of pages) {
        await page.goto('about:blank')
        await page.goto(house.url + address)
        await page.getByText(words).first().waitFor()
        await after?.(page)
        faults.push(...(await accessible(page, `${address} (${look.theme}, ${look.width ?? 1280})`)))
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        if (overflow > 0) faults.push(`${address} is ${overflow} px wider than the screen of ${look.width}`)
      }
      assert.deepEqual(wrong, [])
      await close()
    }
    go()
    mend()
    assert.equal(faults.length, 0, faults.join('\n'))
  }],
]
