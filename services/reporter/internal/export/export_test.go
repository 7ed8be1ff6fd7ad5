package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/columns/columnstest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// keys are the objects of all exports.
func keys(t *testing.T, s *blob.Store) (all []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), blob.PrefixPosture, "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Key)
	}
	return all
}

// stored is an object as a tool of others reads it: the very bytes that stand in the bucket.
func stored(t *testing.T, c blob.Config, key string) []byte {
	t.Helper()
	client, err := minio.New(c.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	o, err := client.GetObject(t.Context(), c.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// said is a line as the view says it, apart from how lines are made.
func said(r *posture.Row, kind string, more map[string]any) string {
	of := map[string]any{
		"kind": kind, "registry": r.Reference.Registry, "repository": r.Reference.Repository, "tag": r.Reference.Tag, "platform": r.Platform.String(),
		"digest": string(r.Digest), "active": r.Active, "day": "2026-11-25",
	}
	if r.Owner != "" {
		of["owner"] = r.Owner
	}
	maps.Copy(of, more)
	return text(of)
}

// text is a row's values that are there, by name.
func text(row map[string]any) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if list, ok := row[name].([]any); row[name] == nil || ok && len(list) == 0 || row[name] == "" {
			continue
		}
		fmt.Fprintf(&b, "%s=%v|", name, row[name])
	}
	return b.String()
}

// TestDayIsTheView: every image, reading, ecosystem and finding of the view is one row, and there is no other row.
func TestDayIsTheView(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 120)
	v := w.Engine.View()
	now := w.Now().Add(time.Hour)
	if written, err := Day(t.Context(), w.Store, v, now, t.TempDir(), "test"); !written || err != nil {
		t.Fatal(written, err)
	}
	all := keys(t, w.Store)
	if len(all) != 1 || !strings.HasPrefix(all[0], "posture/dt=2026-11-25/"+v.Generation().ID+"-") || len(path.Base(all[0])) > 128 {
		t.Fatalf("objects %q", all)
	}
	file := columnstest.Read(t, stored(t, w.Bucket, all[0]))
	var got, want []string
	for _, row := range file.Rows {
		got = append(got, text(row))
	}
	kinds := map[string]int{}
	for _, r := range v.Rows() {
		add := func(kind string, more map[string]any) {
			kinds[kind]++
			want = append(want, said(r, kind, more))
		}
		add("image", map[string]any{"verdict": string(r.Verdict.State), "state": string(r.Coverage.State), "reason": strings.ToValidUTF8(r.Coverage.Reason, "\ufffd")})
		for name, c := range r.Read {
			add("read", map[string]any{"analyser": name, "state": string(c.State), "reason": c.Reason})
		}
		for name, k := range r.Known {
			add("known", map[string]any{"ecosystem": name, "state": string(k.State), "reason": k.Reason})
		}
		links := list.Chain(v, r)
		for f, at := range v.Each(r) {
			x := map[string]any{
				"id": f.ID, "severity": string(f.Severity), "package": f.Package, "version": f.Version, "ecosystem": f.Ecosystem, "purl": f.PURL, "fixed": f.Fixed,
				"layer": int64(at.Layer), "path": at.Path, "class": map[plimsoll.Class]string{"": "vulnerability", "end of life": "end of life"}[f.Class], "aliases": slices.Collect(func(yield func(any) bool) {
					for _, a := range f.Aliases {
						yield(a)
					}
				}), "first_detected": v.First(r, f).UTC(),
			}
			if f.Score > 0 {
				x["score"] = f.Score
			}
			if v.Exploitation() {
				x["exploited"] = false
			}
			if e, ok := v.Enrichment(f.ID); ok {
				x["exploited"], x["ssvc_exploitation"] = e.Exploited(), e.SSVC.Exploitation
				if e.EPSS != (plimsoll.EPSS{}) {
					x["epss"] = e.EPSS.Score
				}
				if !e.KEV.Added.IsZero() {
					x["kev_added"] = e.KEV.Added.Format(time.DateOnly)
				}
			}
			if d, ok := v.Due(r, f, now); ok {
				x["deadline"], x["overdue"], x["days_over"] = d.At.UTC(), d.Overdue, int64(d.Over)
			}
			for _, l := range links {
				if l.Base != nil && at.Layer >= l.From && at.Layer < l.To {
					x["base"], x["base_digest"] = l.Name, string(l.Digest)
				}
			}
			add("finding", x)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-view +file):\n%s", diff)
	}
	for _, kind := range []string{"image", "read", "known", "finding"} {
		if kinds[kind] < 20 {
			t.Errorf("only %d rows of %s", kinds[kind], kind)
		}
	}
	for _, column := range []string{"base", "exploited", "kev_added", "epss", "deadline", "reason"} {
		if !slices.ContainsFunc(file.Rows, func(row map[string]any) bool { return row[column] != nil }) {
			t.Errorf("no row has %s", column)
		}
	}
	if m := file.Metadata; m["plimsoll.at"] != "2026-11-25T13:00:00Z" || m["plimsoll.generation"] != v.Generation().ID || m["plimsoll.policy"] != string(v.Policy().Digest) ||
		!strings.Contains(m["plimsoll.positions"], `"harbor":`) || m["plimsoll.faults"] != "[]" {
		t.Errorf("metadata %v", m)
	}
}

func TestLinesAreSorted(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 60)
	var names []string
	for l := range Lines(w.Engine.View(), w.Now()) {
		if l.Kind == KindImage {
			names = append(names, strings.Join([]string{l.Registry, l.Repository, l.Tag, l.Platform, string(l.Digest)}, "\x00"))
		}
	}
	if len(names) != len(w.Engine.View().Rows()) || !slices.IsSorted(names) {
		t.Errorf("%d images, sorted: %t", len(names), slices.IsSorted(names))
	}
	for range Lines(w.Engine.View(), w.Now()) {
		break // a reader may stop
	}
}

// TestOneFileADay: whatever reporters do at once, and however often, a day has one file.
func TestOneFileADay(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 20)
	older := w.Engine.View()
	w.Log("harbor", "anna", plimsoll.Change{Kind: plimsoll.ChangeCommand, Subject: "harbor", Text: "sweep start"})
	w.Advance()
	newer := w.Engine.View()
	if blob.PostureKey(w.Now(), "g", older.Position()) == blob.PostureKey(w.Now(), "g", newer.Position()) {
		t.Fatal("two positions have one key")
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			store, err := blob.Open(t.Context(), w.Bucket)
			if err == nil {
				_, err = Day(t.Context(), store, []*posture.View{older, newer}[i%2], w.Now(), t.TempDir(), "test")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all := keys(t, w.Store); len(all) != 1 {
		t.Errorf("objects %q, want one", all)
	}
	if written, err := Day(t.Context(), w.Store, newer, w.Now().Add(time.Hour), t.TempDir(), "test"); written || err != nil {
		t.Errorf("later that day: %t, %v", written, err)
	}
	// One that died between writing and looking leaves a second file, which the next look removes.
	if err := w.Store.CreateFile(t.Context(), blob.PosturePrefix(w.Now())+"z.parquet", "x/y", bytes.NewReader(nil), 0, fmt.Sprintf("%x", sha)); err != nil {
		t.Fatal(err)
	}
	if _, err := Day(t.Context(), w.Store, newer, w.Now(), t.TempDir(), "test"); err != nil || len(keys(t, w.Store)) != 1 {
		t.Errorf("%v, objects %q, want one", err, keys(t, w.Store))
	}
	if written, err := Day(t.Context(), w.Store, newer, w.Now().AddDate(0, 0, 1), t.TempDir(), "test"); !written || err != nil {
		t.Errorf("the next day: %t, %v", written, err)
	}
}

// sha is the sha256 of nothing.
var sha = [32]byte{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}

func TestDayStops(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if written, err := Day(ctx, w.Store, w.Engine.View(), w.Now(), t.TempDir(), "test"); written || !errors.Is(err, context.Canceled) {
		t.Errorf("%t, %v", written, err)
	}
	if all := keys(t, w.Store); all != nil {
		t.Errorf("objects %q, want none", all)
	}
}

// TestDocument: docs/exports.md has a row for each column, in order, with its type.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../docs/exports.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([A-Z0-9a-z ]+) \\|").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	types := map[reflect.Kind]string{reflect.String: "STRING", reflect.Bool: "BOOLEAN", reflect.Int: "INT64", reflect.Float64: "DOUBLE", reflect.Slice: "LIST of STRING", reflect.Struct: "TIMESTAMP"}
	for f := range reflect.TypeFor[Line]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		kind := types[of.Kind()]
		if f.Tag.Get("columns") == "date" {
			kind = "DATE"
		}
		want = append(want, name+" "+kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-file +document):\n%s", diff)
	}
}

func TestTidy(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 5)
	v, today := w.Engine.View(), w.Now()
	for _, ago := range []int{0, 1, 35, 399, 400, 401, 402, 900} {
		if written, err := Day(t.Context(), w.Store, v, today.AddDate(0, 0, -ago), t.TempDir(), "test"); !written || err != nil {
			t.Fatal(written, err)
		}
	}
	if n, err := Tidy(t.Context(), w.Store, today); n != 3 || err != nil {
		t.Errorf("%d removed, %v, want 3", n, err)
	}
	if all := keys(t, w.Store); len(all) != 5 || !strings.HasPrefix(all[0], blob.PosturePrefix(today.AddDate(0, 0, -400))) {
		t.Errorf("objects %q", all)
	}
}
