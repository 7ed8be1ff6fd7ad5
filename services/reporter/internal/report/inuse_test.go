package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestInUse: what was told of use stands in the page, in each finding and in each overdue line; what nobody told is not known,
// and never "no".
func TestInUse(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 40)
	w.At = w.At.AddDate(0, 0, 120) // every deadline is over
	w.Fold()
	r := writer(t, w)
	draft := func() (Model, string) {
		t.Helper()
		m, err := r.Draft(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var page bytes.Buffer
		if err := HTML(&page, m); err != nil {
			t.Fatal(err)
		}
		return m, page.String()
	}
	m, page := draft()
	if m.Page.InUse != nil || !strings.Contains(page, "not known: nobody told of any image") {
		t.Errorf("in use, though nobody told: %+v", m.Page.InUse)
	}
	words := func(m Model) map[string]int {
		n := map[string]int{}
		for _, f := range m.Findings {
			n[f.InUse]++
		}
		return n
	}
	if n := words(m); n[list.InUseYes]+n[list.InUseNo] > 0 || n[list.InUseUnknown] == 0 {
		t.Errorf("findings by use: %v, want all not known", n)
	}
	if len(m.Overdue.Lines) == 0 || m.Overdue.Lines[0].InUse != list.InUseUnknown {
		t.Errorf("overdue lines %+v, want them not known", m.Overdue.Lines)
	}

	// One image of the first overdue line is in use, another image was before.
	var used, former plimsoll.Digest
	wanted := m.Overdue.Lines[0]
	for _, row := range w.Engine.View().Rows() {
		switch {
		case list.Name(row) == wanted.Images[0] && used == "":
			used = row.Digest
		case list.Name(row) != wanted.Images[0] && former == "" && row.Findings > 0 && row.Reference.Repository != wanted.Repository:
			former = row.Digest
		}
	}
	w.Engine.SetInUse(map[plimsoll.Digest]map[string]time.Time{used: {"east": w.Now()}, former: {"east": w.Now().AddDate(-1, 0, 0)}})
	m, page = draft()
	in := m.Page.InUse
	if in == nil || in.Verdicts.Total() == 0 || in.Not == 0 || in.Unknown == 0 || in.Verdicts.Total()+in.Not+in.Unknown != m.Page.Stored.Total() {
		t.Fatalf("in use %+v of %d stored images", in, m.Page.Stored.Total())
	}
	if n := words(m); n[list.InUseYes] == 0 || n[list.InUseNo] == 0 || n[list.InUseUnknown] == 0 {
		t.Errorf("findings by use: %v", n)
	}
	for _, line := range m.Overdue.Lines {
		if line.ID == wanted.ID && line.InUse != list.InUseYes {
			t.Errorf("%s is held by an image in use and says %q", line.ID, line.InUse)
		}
	}
	if !strings.Contains(page, "in use, as told") || !strings.Contains(page, "nobody told whether they are in use") {
		t.Error("the page does not say how many are in use, and of how many that is not known")
	}
	var csv bytes.Buffer
	if err := CSV(&csv, m); err != nil {
		t.Fatal(err)
	}
	if head, _, _ := strings.Cut(csv.String(), "\n"); !strings.Contains(head, ",active,in use,verdict,") {
		t.Errorf("columns %s", head)
	}
}

// TestAnyInUse: that none of several images is in use can only be said when it is known of each.
func TestAnyInUse(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 3)
	rows := w.Engine.View().Rows()[:2]
	for _, tc := range []struct {
		first, second time.Time
		want          string
	}{
		{want: list.InUseUnknown},
		{first: w.Now(), want: list.InUseYes},
		{second: w.Now(), want: list.InUseYes},
		{first: w.Now().AddDate(-1, 0, 0), want: list.InUseUnknown},
		{first: w.Now().AddDate(-1, 0, 0), second: w.Now().AddDate(-1, 0, 0), want: list.InUseNo},
	} {
		seen := map[plimsoll.Digest]map[string]time.Time{}
		for i, at := range []time.Time{tc.first, tc.second} {
			if !at.IsZero() {
				seen[rows[i].Digest] = map[string]time.Time{"east": at}
			}
		}
		w.Engine.SetInUse(seen)
		if diff := cmp.Diff(tc.want, anyInUse(w.Engine.View(), rows, w.Now())); diff != "" {
			t.Errorf("%v, %v (-want +got):\n%s", tc.first, tc.second, diff)
		}
	}
}
