/** Light, dark, or what the system says; remembered in this browser. */

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'conducto-theme'

export function theme(): Theme {
  const kept = recall(KEY)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

export function applyTheme(chosen: Theme = theme()): void {
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
  remember(KEY, chosen)
}

export const isDark = (): boolean =>
  theme() === 'dark' || (theme() === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)

/** A browser may refuse to keep anything. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Then it is forgotten.
  }
}
