/** What all pages share: where one is, who one is, the messages at the edge, the second hand. */
import { api, Problem, type Me } from './api'
import { parse, type Route } from './router'

export const here = $state<{ route: Route; hash: string }>({ route: parse(new URL(location.href)), hash: location.hash })

export function go(address: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') history.pushState(null, '', address)
  else history.replaceState(null, '', address)
  read()
}

function read(): void {
  here.route = parse(new URL(location.href))
  here.hash = location.hash
}

addEventListener('popstate', read)
addEventListener('hashchange', read)

/** Links of ours change the page without loading it anew; those with keys held, or to elsewhere, are the browser's. */
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
  if (!link.pathname.startsWith('/app') || link.search.startsWith('?plain')) return
  event.preventDefault()
  if (link.href !== location.href) go(link.href)
})

export const who = $state<{ me: Me | null }>({ me: null })
export const loadMe = async (): Promise<void> => {
  who.me = await api.me().catch((error: unknown) => {
    if (error instanceof Problem && error.status === 401) signIn()
    return null
  })
}

export function signIn(): void {
  location.assign(`/login?next=${encodeURIComponent(location.pathname)}`)
}

export const clock = $state({ now: Date.now() })
setInterval(() => {
  if (!document.hidden) clock.now = Date.now()
}, 1000)

export interface Toast {
  key: number
  words: string
  isWrong: boolean
}
export const toasts = $state<{ list: Toast[] }>({ list: [] })
let nextKey = 1

export function say(words: string, isWrong = false): void {
  const key = nextKey++
  toasts.list = [...toasts.list.slice(-2), { key, words, isWrong }]
  setTimeout(() => dismiss(key), isWrong ? 12_000 : 5_000)
}
export function dismiss(key: number): void {
  toasts.list = toasts.list.filter((toast) => toast.key !== key)
}

export const words = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Says what went wrong; somebody who is not signed in any more is led to where that can be mended. */
export function fail(error: unknown): void {
  if (error instanceof Problem && error.status === 401) signIn()
  else say(words(error), true)
}

export const dialogs = $state({ help: false })
