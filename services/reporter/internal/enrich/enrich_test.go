package enrich

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

func gz(t testing.TB, s string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func on(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	kevText  = `{"dateReleased":"2025-08-25T17:04:19.9796Z","vulnerabilities":[{"cveID":"CVE-2025-48384","dateAdded":"2025-08-25","dueDate":"2025-09-15","knownRansomwareCampaignUse":"Unknown"},{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10","dueDate":"2021-12-24","knownRansomwareCampaignUse":"Known"}]}`
	ssvcText = "cve\tdate_published\tcvss_vector\tcvss_score\tssvc_exploitation\tssvc_automatable\tssvc_technical_impact\tkev\tcwe\nCVE-1999-0006\t1999-09-29\t\t9.8\tactive\tyes\ttotal\t\tCWE-121\nCVE-1999-0041\t1999-09-29\t\t\tpoc\tno\tpartial\t\t\nCVE-1999-0042\t1999-09-29\t\t\t\t\t\t\t\n"
	epssText = "#model_version:v2025.03.14,score_date:2025-08-25T12:55:00Z\ncve,epss,percentile\nCVE-1999-0001,0.01141,0.77616\nCVE-2024-123456,0.000430000,0.1\n"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[Kind]struct {
		text string
		cve  string
		want plimsoll.Enrichment
		rows int
		date string
	}{
		KEV:  {kevText, "CVE-2021-44228", plimsoll.Enrichment{KEV: plimsoll.KEV{Added: on("2021-12-10"), Due: on("2021-12-24"), Ransomware: true}}, 2, "2025-08-25"},
		SSVC: {ssvcText, "CVE-1999-0006", plimsoll.Enrichment{SSVC: plimsoll.SSVC{Exploitation: "active", Automatable: "yes", TechnicalImpact: "total", Date: on("1999-09-29")}}, 2, "1999-09-29"},
		EPSS: {epssText, "CVE-2024-123456", plimsoll.Enrichment{EPSS: plimsoll.EPSS{Score: 0.00043, Percentile: 0.1, Date: on("2025-08-25")}}, 2, "2025-08-25"},
	}
	for kind, tt := range tests {
		for _, b := range [][]byte{[]byte(tt.text), gz(t, tt.text)} {
			r, err := Parse(kind, b)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Rows) != tt.rows || r.Skipped != 0 || !r.Date.Equal(on(tt.date)) {
				t.Errorf("%s: %d rows, %d skipped %q, of %s; want %d, none, %s", kind, len(r.Rows), r.Skipped, r.Named, r.Date, tt.rows, tt.date)
			}
			table, err := Open(kind, Compile(kind, r).Bytes())
			if err != nil {
				t.Fatal(err)
			}
			var got plimsoll.Enrichment
			table.Fill(tt.cve, &got)
			if diff := cmp.Diff(tt.want, got); diff != "" || !table.Date().Equal(r.Date) {
				t.Errorf("%s: %s (-want +got):\n%s", kind, tt.cve, diff)
			}
			for _, other := range []string{"CVE-1998-0001", "CVE-2099-1", "GHSA-1", "", "CVE--", "CVE-2024-9999999999999999"} {
				got = plimsoll.Enrichment{}
				if table.Fill(other, &got); got != (plimsoll.Enrichment{}) {
					t.Errorf("%s: it says %+v of %q", kind, got, other)
				}
			}
		}
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind Kind
		b    []byte
		want error
	}{
		"empty":                {KEV, nil, plimsoll.ErrInvalid},
		"a page":               {KEV, []byte("<html>"), plimsoll.ErrInvalid},
		"a catalogue of none":  {KEV, []byte(`{"vulnerabilities":[]}`), plimsoll.ErrInvalid},
		"a page as table":      {SSVC, []byte("<html>\n"), plimsoll.ErrInvalid},
		"no columns":           {SSVC, []byte("cve\tother\n"), plimsoll.ErrInvalid},
		"a page as scores":     {EPSS, []byte("<html>\n<p>\n"), plimsoll.ErrInvalid},
		"no date":              {EPSS, []byte("cve,epss,percentile\nCVE-1999-0001,0.1,0.1\n"), plimsoll.ErrInvalid},
		"gzip cut short":       {EPSS, gz(t, epssText)[:40], plimsoll.ErrInvalid},
		"a bomb":               {EPSS, gz(t, strings.Repeat("0", maxExpanded+1)), plimsoll.ErrLimit},
		"scores out of bounds": {EPSS, []byte("#score_date:2025-08-25\ncve,epss,percentile\nCVE-1999-0001,1.5,0.1\nCVE-1999-0002,NaN,0.1\nCVE-1999-0003\n"), plimsoll.ErrInvalid},
	}
	for name, tt := range tests {
		if _, err := Parse(tt.kind, tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	table := func(text string) *Table {
		r, err := Parse(EPSS, []byte("#score_date:2025-08-25\ncve,epss,percentile\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		return Compile(EPSS, r)
	}
	a := table("CVE-2001-0001,0.1,0.1\nCVE-2002-0001,0.1,0.1\nCVE-2003-0001,0.1,0.1\n")
	b := table("CVE-2001-0001,0.1,0.1\nCVE-2002-0001,0.2,0.1\nCVE-2004-100000,0.1,0.1\n")
	if got := Changed(a, b); !slices.Equal(got, []string{"CVE-2002-0001", "CVE-2003-0001", "CVE-2004-100000"}) {
		t.Errorf("changed %q", got)
	}
	if n := len(Changed(nil, a)) + len(Changed(a, nil)) + len(Changed(a, a)); n != 6 {
		t.Errorf("%d changes from and to nothing and none, want 6", n)
	}
}

// TestShared: the real files are read whole.
func TestShared(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("PLIMSOLL_SHARED")
	if dir == "" {
		t.Skip("PLIMSOLL_SHARED is not set: the folder with data/enrichment")
	}
	for kind, want := range map[Kind]int{KEV: 1404, SSVC: 40_000} {
		b, err := os.ReadFile(filepath.Join(dir, "data", "enrichment", kind.Files()[1]))
		if err != nil {
			t.Fatal(err)
		}
		r, err := Parse(kind, b)
		if err != nil || len(r.Rows) < want || r.Skipped > 0 {
			t.Errorf("%s: %d rows, %d skipped %q, %v; want at least %d", kind, len(r.Rows), r.Skipped, r.Named, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(0, []byte(kevText))
	f.Add(1, []byte(ssvcText))
	f.Add(2, []byte(epssText))
	f.Fuzz(func(t *testing.T, n int, b []byte) {
		kind := Kinds[uint(n)%uint(len(Kinds))]
		r, err := Parse(kind, b)
		if err != nil {
			if !errors.Is(err, plimsoll.ErrInvalid) && !errors.Is(err, plimsoll.ErrLimit) {
				t.Errorf("error %v is neither invalid nor a limit", err)
			}
			return
		}
		table := Compile(kind, r)
		for _, row := range r.Rows {
			var e plimsoll.Enrichment
			table.Fill(row.CVE, &e)
			if kind != EPSS && e != row.Enrichment && fmt.Sprint(number(row.CVE)) != "0" && !twice(r.Rows, row.CVE) {
				t.Errorf("%s: %+v, want %+v", row.CVE, e, row.Enrichment)
			}
		}
	})
}

// twice says whether another row has the same number, written otherwise.
func twice(rows []Row, cve string) bool {
	return slices.ContainsFunc(rows, func(r Row) bool { return r.CVE != cve && number(r.CVE) == number(cve) })
}
