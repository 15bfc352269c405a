// Drives the built server in a real Chromium: `browser` runs the tests, `screenshots` takes a picture of every page.
import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { House } from './house.js'

const mode = process.argv[2] ?? 'browser'
const only = process.argv[3] ?? ''
const house = await House.build()
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})

/** A window of its own, and everything that went wrong in it. */
export async function open({ theme = 'light', width = 1280, height = 860, isSignedIn = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: 'reduce' })
  if (isSignedIn) await context.addCookies([{ name: 'conducto_token', value: house.token, url: house.url, httpOnly: true }])
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: house.url })
  // While one works on the app: its files as they were built last, and not those in the binary.
  if (process.env.WEB_DIST) {
    await context.route(/\/app\/(?!style)/, async (route) => {
      const path = new URL(route.request().url()).pathname
      const isAsset = path.startsWith('/app/assets/')
      if (!isAsset && !route.request().isNavigationRequest()) return route.continue()
      const headers = isAsset ? {} : { ...(await route.fetch()).headers() }
      for (const name of ['content-encoding', 'content-length', 'etag']) delete headers[name]
      return route.fulfill({ path: `dist${isAsset ? path : '/app/index.html'}`, headers: isAsset ? undefined : headers })
    })
  }
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const wrong = []
  page.on('pageerror', (error) => wrong.push(String(error)))
  page.on('dialog', (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(message.text())) wrong.push(message.text())
  })
  return { page, wrong, close: () => context.close() }
}

let failed = 0
try {
  if (mode === 'screenshots') {
    const { shoot } = await import('./screenshots.js')
    mkdirSync('../target/screenshots', { recursive: true })
    await shoot({ house, open, into: '../target/screenshots', only })
  } else {
    const { tests } = await import('./tests.js')
    for (const [name, test] of tests) {
      if (!name.includes(only)) continue
      const began = Date.now()
      try {
        await test({ house, open, browser })
        console.log(`ok      ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`)
      } catch (error) {
        failed += 1
        console.log(`FAILED  ${name}\n${error.stack}`)
      }
    }
    console.log(failed === 0 ? 'all browser tests passed' : `${failed} browser tests failed`)
  }
} finally {
  await browser.close()
  await house.close()
}
process.exit(failed === 0 ? 0 : 1)
