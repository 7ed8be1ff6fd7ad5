// Package pages renders the pages: the posture as people read it.
//
// Every page is made on the server from one immutable view, works without script, and its URL is its whole state. A number
// that counts rows is a link to exactly those rows (type number); a test follows each of them. Text that comes from images,
// registries or advisories is escaped twice: by html/template for the browser, and by visible for the eye, so that control
// and direction characters show as what they are.
package pages
