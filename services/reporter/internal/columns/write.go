package columns

import (
	"context"
	"fmt"
	"io"
	"iter"
	"reflect"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// MediaType is that of a file (IANA).
const MediaType = "application/vnd.apache.parquet"

const (
	// RowGroup is how many rows a row group has: its columns stand in memory, in pages that are compressed already, until it
	// is full. A reader skips and reads by groups.
	RowGroup = 131_072
	// maxDictionary bounds the words that one column of a group remembers, in bytes. Those beyond are written out.
	maxDictionary = 4 << 20
	// batch is how many rows are taken apart at once.
	batch = 256
)

// About is what a file says of itself.
type About struct {
	Name     string            // of the rows, in the schema
	Version  string            // of the program that writes it
	Sorted   []string          // columns that the rows come sorted by, ascending
	Metadata map[string]string // key-value metadata of the footer
}

// Write writes rows as one Parquet file, compressed with zstd. T is a struct with JSON tags. A file that ends in an error, of
// the writer or of ctx, has no footer, so that nobody can take it for whole.
func Write[T any](ctx context.Context, w io.Writer, rows iter.Seq[T], about About) error {
	if err := write(ctx, w, rows, about); err != nil {
		return fmt.Errorf("parquet: %w", err)
	}
	return nil
}

func write[T any](ctx context.Context, w io.Writer, rows iter.Seq[T], about About) error {
	fields, err := fieldsOf(reflect.TypeFor[T]())
	if err != nil {
		return err
	}
	out := parquet.NewWriter(w, about.options(schemaOf(about.Name, fields))...)
	waiting := make([]parquet.Row, 0, batch)
	for r := range rows {
		n := len(waiting)
		waiting = waiting[:n+1]
		row, of := waiting[n][:0], reflect.ValueOf(&r).Elem()
		for i := range fields {
			if row, err = fields[i].append(row, of, i); err != nil {
				return err
			}
		}
		if waiting[n] = row; n+1 < batch {
			continue
		}
		if err := flush(ctx, out, waiting); err != nil {
			return err
		}
		waiting = waiting[:0]
	}
	if err := flush(ctx, out, waiting); err != nil {
		return err
	}
	return out.Close()
}

func flush(ctx context.Context, out parquet.RowWriter, rows []parquet.Row) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, err := out.WriteRows(rows)
	return err
}

func (a About) options(schema *parquet.Schema) []parquet.WriterOption {
	o := []parquet.WriterOption{
		schema, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(RowGroup), parquet.DictionaryMaxBytes(maxDictionary),
		parquet.CreatedBy("plimsoll", a.Version, ""),
	}
	for key, value := range a.Metadata {
		o = append(o, parquet.KeyValueMetadata(key, value))
	}
	var by []parquet.SortingColumn
	for _, name := range a.Sorted {
		by = append(by, parquet.Ascending(name))
	}
	if by != nil {
		o = append(o, parquet.SortingWriterConfig(parquet.SortingColumns(by...)))
	}
	return o
}
