package columns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/columns/columnstest"
)

type inner struct {
	Inner  string `json:"inner"`
	Hidden string `json:"-"`
	Shadow string `json:"-"`
}

type shape struct {
	inner                      // unexported, as embedded types of other packages are not
	Text     string            `json:"text"`
	Maybe    string            `json:"maybe,omitempty"`
	Word     plimsoll.Severity `json:"word"`
	Number   int               `json:"number"`
	Pointer  *int              `json:"pointer,omitempty"`
	Share    float64           `json:"share"`
	Truth    bool              `json:"truth"`
	Day      time.Time         `json:"day" columns:"date"`
	Time     time.Time         `json:"time"`
	Names    []string          `json:"names"`
	Kinds    []plimsoll.Class  `json:"kinds"`
	Counts   map[string]int    `json:"counts"`
	Nested   plimsoll.Coverage `json:"nested"`
	Untagged bool
	Shadow   string `json:"shadow"`
}

// TestRoundTrip writes rows with every form of field and reads them back by another implementation.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	one, noon := 0, time.Date(2026, 11, 25, 12, 0, 0, 123_456_000, time.FixedZone("", 3600))
	rows := []shape{
		{},
		{
			inner{"in", "not shown", ""}, "=cmd()\x00\xff<b>", "there", plimsoll.SeverityHigh, -7, &one, 0.25, true, noon, noon, []string{"a", "", "c"},
			[]plimsoll.Class{plimsoll.ClassMalicious}, map[string]int{"<": 1}, plimsoll.Failed("no"), true, "seen",
		},
	}
	var b bytes.Buffer
	about := About{Name: "shape", Sorted: []string{"text"}, Metadata: map[string]string{"k": "v"}, Version: "1.2"}
	if err := Write(t.Context(), &b, slices.Values(rows), about); err != nil {
		t.Fatal(err)
	}
	got := columnstest.Read(t, b.Bytes())
	want := []map[string]any{
		{
			"inner": "", "text": "", "maybe": nil, "word": "", "number": int64(0), "pointer": nil, "share": 0.0, "truth": false, "day": nil, "time": nil,
			"names": []any{}, "kinds": []any{}, "counts": "null", "nested": `{"state":"","reason":""}`, "Untagged": false, "shadow": "",
		},
		{
			"inner": "in", "text": "=cmd()\x00\ufffd<b>", "maybe": "there", "word": "high", "number": int64(-7), "pointer": int64(0), "share": 0.25, "truth": true,
			"day": "2026-11-25", "time": noon.UTC(), "names": []any{"a", "", "c"}, "kinds": []any{"malicious"}, "counts": `{"<":1}`,
			"nested": `{"state":"failed","reason":"no"}`, "Untagged": true, "shadow": "seen",
		},
	}
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	names := []string{"inner", "text", "maybe", "word", "number", "pointer", "share", "truth", "day", "time", "names", "kinds", "counts", "nested", "Untagged", "shadow"}
	if diff := cmp.Diff(names, got.Names); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if got.Metadata["k"] != "v" {
		t.Errorf("metadata %v", got.Metadata)
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, slices.Values([]shape{{}}), About{Name: "shape"}); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	logical := map[string]schema.LogicalType{}
	for i := range r.MetaData().Schema.NumColumns() {
		c := r.MetaData().Schema.Column(i)
		logical[c.ColumnPath()[0]] = c.LogicalType()
	}
	for name, want := range map[string]schema.LogicalType{
		"text": schema.StringLogicalType{}, "names": schema.StringLogicalType{}, "counts": schema.JSONLogicalType{}, "day": schema.DateLogicalType{},
		"number": schema.NewIntLogicalType(64, true), "time": schema.NewTimestampLogicalType(true, schema.TimeUnitMicros),
	} {
		if !logical[name].Equals(want) {
			t.Errorf("%s is %v, want %v", name, logical[name], want)
		}
	}
}

type numbered struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func numbers(n int) iter.Seq[numbered] {
	return func(yield func(numbered) bool) {
		for i := range n {
			if !yield(numbered{i, fmt.Sprint("text ", i)}) {
				return
			}
		}
	}
}

// TestRowGroups: more rows than a group holds, with more distinct texts than a dictionary may.
func TestRowGroups(t *testing.T) {
	t.Parallel()
	const n = 2*RowGroup + 7
	var b bytes.Buffer
	if err := Write(t.Context(), &b, numbers(n), About{Name: "numbered"}); err != nil {
		t.Fatal(err)
	}
	got := columnstest.Read(t, b.Bytes())
	if got.Groups != 3 || len(got.Rows) != n {
		t.Errorf("%d rows in %d groups, want %d in 3", len(got.Rows), got.Groups, n)
	}
	for i, r := range got.Rows {
		if r["n"] != int64(i) || r["text"] != fmt.Sprint("text ", i) {
			t.Fatalf("row %d is %v", i, r)
		}
	}
}

// failing takes some bytes and no more.
type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrors(t *testing.T) {
	t.Parallel()
	if err := Write(t.Context(), &failing{1000}, numbers(RowGroup+1), About{}); !errors.Is(err, errFull) {
		t.Errorf("full: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b bytes.Buffer
	if err := Write(ctx, &b, numbers(1), About{}); !errors.Is(err, context.Canceled) || bytes.HasSuffix(b.Bytes(), []byte("PAR1")) && b.Len() > 4 {
		t.Errorf("cancelled: %v, %q", err, b.Bytes())
	}
	if err := Write(t.Context(), io.Discard, slices.Values([]int{1}), About{}); !errors.Is(err, plimsoll.ErrUnsupported) {
		t.Errorf("no struct: %v", err)
	}
	type loud struct {
		F func() `json:"f"`
	}
	var unsupported *json.UnsupportedTypeError
	if err := Write(t.Context(), io.Discard, slices.Values([]loud{{}}), About{}); !errors.As(err, &unsupported) {
		t.Errorf("no JSON: %v", err)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, numbers(0), About{Name: "numbered"}); err != nil {
		t.Fatal(err)
	}
	if got := columnstest.Read(t, b.Bytes()); len(got.Rows) != 0 || len(got.Names) != 2 {
		t.Errorf("%+v", got)
	}
}
