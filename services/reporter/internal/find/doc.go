// Package find answers the question of a Friday night: which images hold this package in these versions, before any advisory says
// so. query.go reads the range, judge.go decides a package, find.go looks through everything stored.
package find
