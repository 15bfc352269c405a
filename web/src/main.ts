import { mount } from 'svelte'
import './app.css'
import App from './ui/App.svelte'
import { applyTheme } from './core/theme'

applyTheme()
const target = document.getElementById('app')
if (target) mount(App, { target })
