// Package columns writes rows as Apache Parquet (https://parquet.apache.org/docs/file-format), whatever they are rows of: a
// field of their JSON is a column of the same name, in the same order.
//
// Rows are written as they come. What stands in memory is one row group, of at most [RowGroup] rows, and the footer, which
// grows by some KiB with each group.
package columns
