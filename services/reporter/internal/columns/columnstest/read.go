// Package columnstest reads Parquet files by another implementation than the one that writes them. For tests alone.
package columnstest

import (
	"bytes"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// File is a file as it was read.
type File struct {
	Names    []string         // of columns, in order
	Rows     []map[string]any // string, int64, float64, bool, time.Time in UTC, "2026-11-25" for a date, []any for a list, nil
	Metadata map[string]string
	Groups   int // row groups
}

// Read reads a whole file.
func Read(tb testing.TB, b []byte) File {
	tb.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		tb.Fatal(err)
	}
	f := File{Metadata: map[string]string{}, Groups: r.NumRowGroups()}
	for _, kv := range r.MetaData().FileMetaData.KeyValueMetadata {
		f.Metadata[kv.Key] = kv.GetValue()
	}
	s := r.MetaData().Schema
	for i := range s.NumColumns() {
		f.Names = append(f.Names, s.Column(i).ColumnPath()[0])
	}
	for g := range r.NumRowGroups() {
		group, first := r.RowGroup(g), len(f.Rows)
		for range group.NumRows() {
			f.Rows = append(f.Rows, map[string]any{})
		}
		for i, name := range f.Names {
			c, err := group.Column(i)
			if err != nil {
				tb.Fatal(err)
			}
			values(tb, c, s.Column(i), func(row int, v any) { f.Rows[first+row][name] = v })
		}
	}
	return f
}

// values gives the value of each row of a column.
func values(tb testing.TB, c file.ColumnChunkReader, d *schema.Column, give func(row int, v any)) {
	tb.Helper()
	row, list := -1, []any{}
	take := func(level, repeated int16, v any) {
		if d.MaxRepetitionLevel() == 0 {
			row++
			give(row, v)
			return
		}
		if repeated == 0 {
			row, list = row+1, []any{}
		}
		if level == d.MaxDefinitionLevel() {
			list = append(list, v)
		}
		give(row, list)
	}
	switch c := c.(type) {
	case *file.ByteArrayColumnChunkReader:
		read(tb, c.ReadBatch, d, take, func(v parquet.ByteArray) any { return string(v) })
	case *file.Int64ColumnChunkReader:
		read(tb, c.ReadBatch, d, take, func(v int64) any {
			if _, ok := d.LogicalType().(schema.TimestampLogicalType); ok {
				return time.UnixMicro(v).UTC()
			}
			return v
		})
	case *file.Int32ColumnChunkReader:
		read(tb, c.ReadBatch, d, take, func(v int32) any { return time.Unix(int64(v)*24*60*60, 0).UTC().Format(time.DateOnly) })
	case *file.Float64ColumnChunkReader:
		read(tb, c.ReadBatch, d, take, func(v float64) any { return v })
	case *file.BooleanColumnChunkReader:
		read(tb, c.ReadBatch, d, take, func(v bool) any { return v })
	default:
		tb.Fatalf("column of %T", c)
	}
}

// read gives every value with its levels; nil where there is none.
func read[T any](tb testing.TB, batch func(int64, []T, []int16, []int16) (int64, int, error), d *schema.Column, take func(level, repeated int16, v any), as func(T) any) {
	tb.Helper()
	const size = 4096
	vs, defs, reps := make([]T, size), make([]int16, size), make([]int16, size)
	for {
		n, have, err := batch(size, vs, defs, reps)
		if err != nil {
			tb.Fatal(err)
		}
		if n == 0 {
			return
		}
		next := 0
		for i := range n {
			def, rep := d.MaxDefinitionLevel(), int16(0)
			if def > 0 {
				def = defs[i]
			}
			if d.MaxRepetitionLevel() > 0 {
				rep = reps[i]
			}
			if def < d.MaxDefinitionLevel() {
				take(def, rep, nil)
				continue
			}
			take(def, rep, as(vs[next]))
			next++
		}
		if next != have {
			tb.Fatalf("%d values read, %d expected", next, have)
		}
	}
}
