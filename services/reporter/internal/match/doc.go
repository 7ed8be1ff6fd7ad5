// Package match says which advisories apply to a package, and why.
//
// ecosystems.go is the table of how ecosystems are matched, comparer.go orders versions, entry.go compiles what is published about
// a name, affected.go evaluates a record as OSV's specification does, module.go tells streams of rpm modules apart, severity.go
// says how bad a flaw is, package.go puts it together, and explain.go tells why.
package match
