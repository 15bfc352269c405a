import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// The server answers for everything but the app itself while one works on it: `CONDUCTO=http://127.0.0.1:8080 npm run dev`.
const server = process.env.CONDUCTO ?? 'http://127.0.0.1:8080'

export default defineConfig({
  base: '/app/',
  plugins: [svelte()],
  build: {
    outDir: 'dist/app',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { '/api': server, '/login': server, '/logout': server, '/app/style.css': server } },
  test: { include: ['src/**/*.test.ts'] },
} as import('vite').UserConfig)
