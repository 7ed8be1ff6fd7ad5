package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	// maxNodes bounds what aliases can unfold to: a thousand registries have a tenth of it.
	maxNodes = 200_000
	// maxDepth is more than the configuration's own, and stops an alias that holds itself.
	maxDepth = 16
)

// decoder fills a File from YAML nodes. It is stricter than the YAML library's own (unknown and doubled fields, text that
// does not fit) and goes on after a fault, with the field's full name and line.
type decoder struct {
	name    string            // of the file, for faults
	lines   map[string]int    // field → line
	sources map[string]string // field → environment variable that set it
	failed  map[string]bool   // fields whose text did not fit
	faults  Faults
	nodes   int
}

func (d *decoder) fault(field string, line int, what string, args ...any) {
	where := d.name
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	d.fail(Fault{where, field, fmt.Sprintf(what, args...), line})
}

func (d *decoder) fail(f Fault) {
	if d.failed == nil {
		d.failed = map[string]bool{}
	}
	d.failed[f.Field] = true
	d.faults = append(d.faults, f)
}

// where is the place that gave a field its value, or the nearest field around it that the file has.
func (d *decoder) where(field string) (place string, line int) {
	for f := field; f != ""; f = parent(f) {
		if env := d.sources[f]; env != "" {
			return "$" + env, 0
		}
		if line := d.lines[f]; line > 0 {
			return d.name + ":" + strconv.Itoa(line), line
		}
	}
	return d.name, 0
}

// hasFailed says whether a field, or one around it, could not be decoded.
func (d *decoder) hasFailed(field string) bool {
	for f := field; f != ""; f = parent(f) {
		if d.failed[f] {
			return true
		}
	}
	return false
}

func parent(field string) string {
	return field[:max(0, strings.LastIndexAny(field, ".["))]
}

func (d *decoder) root(doc *yaml.Node, f *File) {
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return
	}
	d.value(doc.Content[0], reflect.ValueOf(f).Elem(), "", 0)
}

// value decodes one node into v, which is settable.
func (d *decoder) value(n *yaml.Node, v reflect.Value, field string, depth int) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.nodes++; d.nodes > maxNodes || depth > maxDepth {
		if d.nodes <= maxNodes || d.nodes == maxNodes+1 {
			d.fault(field, n.Line, "too deep or too long: a configuration has at most %d values and %d levels", maxNodes, maxDepth)
		}
		return
	}
	if field != "" {
		d.lines[field] = n.Line
	}
	if n.Tag == "!!null" {
		return // "field:" with nothing after it is the default
	}
	switch {
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, field, depth)
	case v.Kind() == reflect.Slice:
		d.sequence(n, v, field, depth)
	case n.Kind != yaml.ScalarNode:
		d.fault(field, n.Line, "want %s, not %s", kindName(v), nodeName(n))
	default:
		if err := setScalar(v, n.Value); err != "" {
			d.fault(field, n.Line, "%s", err)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, field string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.fault(field, n.Line, "want fields (name: value, indented below), not %s", nodeName(n))
		return
	}
	byName := fieldsOf(v.Type())
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := join(field, key.Value)
		index, known := byName[key.Value]
		switch {
		case !known:
			d.fault(clip(name), key.Line, "unknown field%s", suggest(key.Value, byName))
		case seen[key.Value] > 0:
			d.fault(name, key.Line, "written twice, first in line %d; write it once", seen[key.Value])
		default:
			seen[key.Value] = key.Line
			d.value(value, v.Field(index), name, depth+1)
		}
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, field string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.fault(field, n.Line, "want a list (one \"- \" a line, or [a, b]), not %s", nodeName(n))
		return
	}
	for i, item := range n.Content {
		if d.nodes > maxNodes {
			return
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", field, i), depth+1)
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// setScalar sets a text, number, switch or duration; it returns what is wrong and what to write, or "".
func setScalar(v reflect.Value, text string) string {
	switch {
	case v.Type() == durationType:
		t, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Sprintf("%.80q is no duration; write a number with a unit, as 90m or 48h (a day is 24h)", text)
		}
		v.SetInt(int64(t))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Sprintf("%.80q; write true or false", text)
		}
		v.SetBool(text == "true")
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Sprintf("%.80q; write a whole number", text)
		}
		v.SetInt(int64(i))
	case v.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprintf("%.80q; write a number, as 5 or 0.5", text)
		}
		v.SetFloat(f)
	default:
		panic("config: a field of type " + v.Type().String()) // a new type in File: TestFields decodes every one
	}
	return ""
}

// fieldsOf maps the names in the file to the fields of a struct; "-" hides one.
func fieldsOf(t reflect.Type) map[string]int {
	names := map[string]int{}
	for i := range t.NumField() {
		if name := yamlName(t.Field(i)); name != "" {
			names[name] = i
		}
	}
	return names
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

// clip keeps a name that the file made up within a line, and free of control characters.
func clip(name string) string {
	if q := strconv.Quote(name); len(q) != len(name)+2 || len(name) > 100 {
		return fmt.Sprintf("%.100q", name)
	}
	return name
}

func kindName(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "a duration"
	case v.Kind() == reflect.String:
		return "a text"
	case v.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a number"
}

func nodeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%.40q", n.Value)
}

// suggest names the nearest known field, or all of them.
func suggest(name string, known map[string]int) string {
	names := sortedNames(known)
	if best := nearest(name, names); best != "" {
		return "; did you mean " + best + "?"
	}
	return "; the fields here are " + strings.Join(names, ", ")
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// nearest is the known name within two edits of name; "" when there is none.
func nearest(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if max(len(k), len(name))-min(len(k), len(name)) >= least {
			continue
		}
		if n := edits(name, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// edits is the Levenshtein distance of a and b, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
