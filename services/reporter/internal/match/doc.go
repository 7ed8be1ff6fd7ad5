// Package match says which advisories apply to a package.
//
// comparer.go says how an ecosystem orders versions, affected.go evaluates a record as OSV's specification does,
// join.go says which records are about one flaw, severity.go how bad it is, package.go puts it together.
package match
