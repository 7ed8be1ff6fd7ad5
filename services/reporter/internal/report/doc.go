// Package report writes the weekly compliance report: one model, stored as JSON, from which the HTML and CSV files follow.
//
// A period is made once. The model is created first and never changed: whoever comes second takes the stored one, so that
// all files of a period say the same whoever wrote them. The manifest, with the sha256 of each file, is created last: a
// report exists when its manifest does.
package report
