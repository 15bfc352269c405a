// A picture of every page, in both themes and two widths.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CFG, FAILING, large, live, LONG_LOG } from './pipelines.js'

export async function shoot({ house, open, into, only }) {
  const empty = await open()
  await empty.page.goto(`${house.url}/app/`)
  await empty.page.getByText('No pipeline has run yet').waitFor()
  await empty.page.screenshot({ path: join(into, 'empty-light.png') })
  await empty.close()

  const gate = join(house.root, 'gate')
  const failing = await house.launch('Check what is pushed', { 'conducto.cfg': CFG, 'ci.toml': FAILING })
  await house.ended(failing)
  const long = await house.launch('Print 200,000 lines', { 'ci.toml': LONG_LOG })
  await house.ended(long)
  const many = await house.launch('Ten thousand nodes in one hundred groups, with a title that is longer than any page is wide, to see where it is cut', { 'ci.toml': large(10_000) })
  await house.ended(many)
  await house.push('A mistake in conducto.cfg', { 'conducto.cfg': '[push]\npipelin = "ci.toml"\n' })
  const running = await house.launch('Tick until told', { 'conducto.cfg': CFG, 'ci.toml': live(gate) })
  const { verdict: _, ...bad } = (await house.ask('/deliveries')).find((one) => one.diagnostics)

  const pages = {
    login: ['/login', 'Log in'],
    list: ['/app/', 'Tick until told'],
    failing: [`/app/p/${failing}`, 'assertion failed'],
    root: [`/app/p/${failing}/n/`, 'What failed'],
    lint: [`/app/p/${failing}/n/checks/lint%20%26%20style`, 'unused import'],
    report: [`/app/p/${failing}/n/checks/docs`, '91 %'],
    definition: [`/app/p/${failing}/n/checks/unit`, 'Definition', async (page) => page.getByRole('tab', { name: 'Definition' }).click()],
    attempts: [`/app/p/${failing}/n/checks/unit`, 'Attempts', async (page) => page.getByRole('tab', { name: /Attempts/ }).click()],
    edit: [`/app/p/${failing}/n/checks/unit`, 'assertion failed', async (page) => page.keyboard.press('m')],
    waiting: [`/app/p/${failing}/n/deploy`, 'It has not run yet'],
    search: [`/app/p/${failing}/n/checks/unit`, 'assertion failed', async (page) => {
      await page.getByLabel('Search the whole log').fill('case_1')
      await page.getByText(/1 of 111/).waitFor()
    }],
    lines: [`/app/p/${long}/n/talk#L150000-L150003`, 'line number 150000'],
    many: [`/app/p/${many}/n/`, 'What failed'],
    running: [`/app/p/${running}/n/ticker`, 'tick 2'],
    help: [`/app/`, 'Tick until told', async (page) => page.keyboard.press('?')],
    deliveries: ['/app/deliveries', 'started pipeline'],
    delivery: [`/app/deliveries/${bad.guid}`, 'Mistakes found'],
    nopipeline: ['/app/p/zzz-zzz', 'There is no pipeline'],
    nonode: [`/app/p/${failing}/n/nowhere`, 'There is no node'],
    nothing: ['/app/?text=nothing-has-this', 'No pipeline fits'],
  }
  for (const [name, [address, words, after]] of Object.entries(pages)) {
    if (!name.includes(only)) continue
    for (const [kind, look] of Object.entries({ light: {}, dark: { theme: 'dark' }, narrow: { width: 390, height: 800 } })) {
      const { page, wrong, close } = await open({ ...look, isSignedIn: name !== 'login' })
      try {
        await page.goto(house.url + address)
        await page.getByText(words).first().waitFor()
        await after?.(page)
        await page.waitForTimeout(250)
      } catch (error) {
        console.log(`${name} ${kind}: ${error.message.split('\n')[0]}`)
      }
      await page.screenshot({ path: join(into, `${name}-${kind}.png`) })
      for (const problem of wrong) console.log(`${name} ${kind}: ${problem}`)
      await close()
    }
  }
  writeFileSync(`${gate}.go`, '')
  writeFileSync(`${gate}.mended`, '')
}
