// Package eol knows when distributions and run-times stop getting fixes. Its facts are a table with the source of each, built
// in (table.yaml) or given by the operator in its place. What is not in the table is not known: that is no statement that it
// is supported.
package eol

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/plimsoll/plimsoll"
)

// Table is a table of end-of-life dates; immutable and safe for concurrent readers.
type Table struct {
	asOf     time.Time
	products map[string]product
}

type product struct {
	source, note string
	dates        map[string]time.Time
}

// Fact is the end of life of one release.
type Fact struct {
	Product string    `json:"product"`
	Release string    `json:"release"` // as the table has it: "12", "3.8"
	Date    time.Time `json:"date"`    // the last day with fixes, midnight UTC
	Source  string    `json:"source"`  // URL
	Note    string    `json:"note,omitempty"`
}

// Over is the first moment after the last day with fixes.
func (f Fact) Over() time.Time { return f.Date.AddDate(0, 0, 1) }

// Past reports whether the last day with fixes is over.
func (f Fact) Past(now time.Time) bool { return !now.Before(f.Over()) }

// Bounds of a table that an operator gives: a path given by mistake must not be read whole, and 50 products have 20 KiB.
const (
	maxTable    = 1 << 20
	maxProducts = 1000
)

//go:embed table.yaml
var builtIn []byte

// BuiltIn is the table that the program holds.
func BuiltIn() *Table {
	t, err := Parse(builtIn)
	if err != nil {
		panic(err) // a test reads it
	}
	return t
}

// Open is the operator's table; the built-in one for an empty path.
func Open(path string) (*Table, error) {
	if path == "" {
		return BuiltIn(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("end-of-life table: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTable+1))
	if err != nil {
		return nil, fmt.Errorf("end-of-life table: %w", err)
	}
	t, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("end-of-life table %s: %w", path, err)
	}
	return t, nil
}

// Parse reads a table in YAML:
//
//	as_of: 2026-01-15
//	products:
//	  - product: Debian
//	    source: https://wiki.debian.org/LTS
//	    releases:
//	      - {release: "12", date: 2028-06-30}
//
// An error wraps [plimsoll.ErrInvalid] and says everything that is wrong.
func Parse(b []byte) (*Table, error) {
	var raw struct {
		AsOf     string `yaml:"as_of"`
		Products []struct {
			Product  string `yaml:"product"`
			Source   string `yaml:"source"`
			Note     string `yaml:"note"`
			Releases []struct {
				Release string `yaml:"release"`
				Date    string `yaml:"date"`
			} `yaml:"releases"`
		} `yaml:"products"`
	}
	if len(b) > maxTable {
		return nil, fmt.Errorf("%w: more than %d bytes", plimsoll.ErrInvalid, maxTable)
	}
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	dec.KnownFields(true)
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("%w: %w", plimsoll.ErrInvalid, err)
	}
	var faults []error
	fault := func(text string, args ...any) { faults = append(faults, fmt.Errorf(text, args...)) }
	t := &Table{products: map[string]product{}}
	var err error
	if t.asOf, err = time.Parse(time.DateOnly, raw.AsOf); err != nil {
		fault("as_of: %.40q; write the day on which the table was compared with its sources, as 2026-01-15", raw.AsOf)
	}
	if len(raw.Products) > maxProducts {
		fault("more than %d products", maxProducts)
	}
	for i, p := range raw.Products {
		key := strings.ToLower(p.Product)
		if _, twice := t.products[key]; twice || key == "" || p.Source == "" {
			fault("products[%d] %.40q: write product and source, each product once", i, p.Product)
			continue
		}
		out := product{p.Source, p.Note, map[string]time.Time{}}
		for _, r := range p.Releases {
			date, err := time.Parse(time.DateOnly, r.Date)
			if err != nil || r.Release == "" {
				fault("%s %.40q: date %.40q; write release and date, as {release: \"12\", date: 2028-06-30}", p.Product, r.Release, r.Date)
				continue
			}
			out.dates[r.Release] = date
		}
		t.products[key] = out
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w: %w", plimsoll.ErrInvalid, errors.Join(faults...))
	}
	return t, nil
}

// AsOf is when the table was compared with its sources.
func (t *Table) AsOf() time.Time { return t.asOf }

// Of is the end of life of a product's version: of a distribution, by its family and release ("Debian", "12"; "Alpine",
// "v3.20"; "Ubuntu", "22.04:LTS"), or of a run-time, by its name and version ("python", "3.8.19"). The longest release of the
// table that the version begins with counts. ok is false when the table does not know it.
func (t *Table) Of(name, version string) (f Fact, ok bool) {
	p, ok := t.products[strings.ToLower(name)]
	if !ok {
		return Fact{}, false
	}
	release := clean(name, version)
	for release != "" {
		if date, ok := p.dates[release]; ok {
			return Fact{Product: name, Release: release, Date: date, Source: p.source, Note: p.note}, true
		}
		at := strings.LastIndexByte(release, '.')
		if at < 0 {
			return Fact{}, false
		}
		release = release[:at]
	}
	return Fact{}, false
}

// OfEcosystem is the end of life of a distribution by its ecosystem with release, as OSV names it ("Debian:12").
func (t *Table) OfEcosystem(ecosystem string) (Fact, bool) {
	family, release, found := strings.Cut(ecosystem, ":")
	if !found {
		return Fact{}, false
	}
	return t.Of(family, release)
}

// clean is a version as the table writes releases: without what OSV and run-times put around it.
func clean(name, version string) string {
	family := strings.ToLower(name)
	switch family {
	case "ubuntu": // "Pro:22.04:LTS"
		version = strings.TrimPrefix(version, "Pro:")
	case "red hat": // "rhel_aus:8.4::appstream", "enterprise_linux:9::baseos"
		if _, rest, found := strings.Cut(version, ":"); found {
			version = rest
		}
	case "go":
		version = strings.TrimPrefix(version, "go")
	case "node", "python", "php", "ruby", "java":
		version = strings.TrimPrefix(version, "v")
	}
	version, _, _ = strings.Cut(version, ":")
	if family == "java" { // 1.8.0 is 8
		version = strings.TrimPrefix(version, "1.")
	}
	if at := strings.IndexAny(version, "-+_~ "); at >= 0 {
		version = version[:at]
	}
	return version
}
