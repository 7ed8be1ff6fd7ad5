package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/services/reporter/internal/columns"
	"github.com/plimsoll/plimsoll/services/reporter/internal/columns/columnstest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// plain is a value of a line of JSON as a column has it: numbers as what the column holds, structures as their JSON.
func plain(t *testing.T, is, column any) any {
	t.Helper()
	switch x := column.(type) {
	case int64:
		return int64(is.(float64))
	case time.Time:
		at, err := time.Parse(time.RFC3339Nano, is.(string))
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC().Truncate(time.Microsecond)
	case string:
		if _, ok := is.(string); ok {
			return is
		}
		var whole any
		if err := json.Unmarshal([]byte(x), &whole); err != nil {
			t.Fatalf("column %q of %v: %v", x, is, err)
		}
		if diff := cmp.Diff(is, whole); diff != "" {
			t.Errorf("structure (-json +parquet):\n%s", diff)
		}
		return x
	}
	return is
}

// TestParquet: each list has the rows and fields of its NDJSON.
func TestParquet(t *testing.T) {
	t.Parallel()
	s := newSite(t, 80)
	v := s.world.Engine.View()
	image := "/api/v1/images/" + string(v.Rows()[slices.IndexFunc(v.Rows(), func(r *posture.Row) bool { return r.Content.Secrets > 0 })].Digest)
	for _, path := range []string{
		"/api/v1/images?scope=stored", "/api/v1/findings?scope=stored", "/api/v1/findings/unique?", "/api/v1/advisories?", "/api/v1/repositories?scope=stored",
		"/api/v1/coverage/gaps?", "/api/v1/coverage/feeds?", "/api/v1/bases?scope=stored", "/api/v1/actions?", "/api/v1/moved/changes?", "/api/v1/find?package=log4j-core&range=*",
		"/api/v1/compare/findings?" + pairOf(v).Query(), "/api/v1/compare/packages?" + pairOf(v).Query(),
		"/api/v1/history?image=" + list.Name(v.Rows()[0]), image + "/packages?", image + "/secrets?", image + "/files?", image + "/hidden?",
	} {
		status, head, b := s.call("GET", path+"&format=parquet", "", "")
		if status != http.StatusOK || head.Get("Content-Type") != columns.MediaType || !strings.HasSuffix(head.Get("Content-Disposition"), ".parquet") {
			t.Errorf("%s: %d, %v", path, status, head)
			continue
		}
		file := columnstest.Read(t, b)
		lines := strings.Split(strings.TrimSpace(string(s.get(path+"&format=ndjson"))), "\n")
		if len(file.Rows) != len(lines) || len(lines) == 0 {
			t.Errorf("%s: %d rows, want %d", path, len(file.Rows), len(lines))
			continue
		}
		for i, row := range file.Rows {
			is := decode[map[string]any](t, []byte(lines[i]))
			for name := range is {
				if !slices.Contains(file.Names, name) {
					t.Errorf("%s: no column %s", path, name)
				}
			}
			for name, column := range row {
				if column == nil {
					if there := is[name]; there != nil && there != "0001-01-01T00:00:00Z" {
						t.Errorf("%s, row %d: %s is null, want %v", path, i, name, there)
					}
					continue
				}
				if got := plain(t, is[name], column); !reflect.DeepEqual(got, column) {
					t.Errorf("%s, row %d: %s is %#v, want %#v", path, i, name, column, got)
				}
			}
		}
	}
}

// broken takes the head of an answer and no body.
type broken struct{ http.ResponseWriter }

func (broken) Write([]byte) (int, error) { return 0, errors.New("the line is dead") }

// TestBrokenParquet: an answer that cannot be written to its end breaks the connection.
func TestBrokenParquet(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3)
	defer func() {
		if err := recover(); err != http.ErrAbortHandler {
			t.Errorf("ended with %v, want the connection to break", err)
		}
	}()
	s.api.images(broken{httptest.NewRecorder()}, httptest.NewRequest("GET", "/api/v1/images?scope=stored&format=parquet", nil))
	t.Error("it ended as if whole")
}
