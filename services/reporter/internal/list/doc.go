// Package list holds the lists that pages and the API show: their filters, order, paging and forms (JSON, NDJSON, CSV).
//
// One URL query is one list: the page /images?… and /api/v1/images?… read the same [Filter] and call the same function, so
// that a number, the list it links to and every export of that list cannot disagree.
package list
