// Package webtest gives tests a real browser: Debian's Chromium, without a window, and what is needed to use it as people do: clicks and
// keys that go through the browser's own input, sizes, dark mode, time zones, screenshots, and axe-core to look for what people with
// disabilities would stumble over.
//
// It speaks the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/) over a pipe, with the handful of methods that
// are used here. The libraries for it bring hundreds of generated types, which take longer to compile than these tests to run.
//
// The browser resolves no names and reaches nothing but the loopback: a page that asks for anything from outside fails to get it, and
// that is among [Page.Problems].
//
// Chromium is installed with apt-get where the machine has none, with a font to look at, and axe-core with npm into .tmp.
package webtest
