// Package export keeps the posture of each day in the bucket as Parquet, for tools of others: findings and coverage, one row
// each. docs/exports.md describes the columns.
package export
