package columns

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/plimsoll/plimsoll"
)

// field is one column: a field of the row's JSON.
//
//	text                     STRING
//	whole number             INT64
//	number                   DOUBLE
//	truth                    BOOLEAN
//	time.Time                TIMESTAMP, microseconds, UTC; null for the zero time
//	  tagged columns:"date"  DATE, of its day in UTC
//	list of texts            LIST of STRING
//	anything else            JSON, as text
//
// What the JSON leaves out (omitempty, omitzero, a nil pointer) is null.
type field struct {
	name     string
	index    []int
	optional bool
	node     parquet.Node
	put      func(reflect.Value) (parquet.Value, error) // nil: a list of texts
}

// fieldsOf are the columns of a row's type, a struct.
func fieldsOf(t reflect.Type) ([]field, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: %s is no struct", plimsoll.ErrUnsupported, t)
	}
	var out []field
	seen := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if seen[name] {
			return nil, fmt.Errorf("%w: %s has two fields %q", plimsoll.ErrUnsupported, t, name)
		}
		seen[name] = true
		c := field{name: name, index: f.Index, optional: strings.Contains(options, "omit")}
		of := f.Type
		if of.Kind() == reflect.Pointer {
			c.optional, of = true, of.Elem()
		}
		c.form(of, f.Tag.Get("columns") == "date")
		if c.optional && c.put != nil {
			c.node = parquet.Optional(c.node)
		}
		out = append(out, c)
	}
	return out, nil
}

var (
	timeType = reflect.TypeFor[time.Time]()
	jsonType = reflect.TypeFor[json.Marshaler]()
	textType = reflect.TypeFor[encoding.TextMarshaler]()
)

// form picks how values of a type are written.
func (c *field) form(t reflect.Type, date bool) {
	switch {
	case t == timeType && date:
		c.optional, c.node, c.put = true, parquet.Date(), putDate
		return
	case t == timeType:
		c.optional, c.node, c.put = true, parquet.Timestamp(parquet.Microsecond), putTime
		return
	case t.Implements(jsonType), t.Implements(textType):
		c.node, c.put = words(parquet.JSON()), putJSON
		return
	}
	switch t.Kind() {
	case reflect.String:
		c.node, c.put = words(parquet.String()), func(v reflect.Value) (parquet.Value, error) { return text(v.String()), nil }
	case reflect.Bool:
		c.node, c.put = parquet.Leaf(parquet.BooleanType), func(v reflect.Value) (parquet.Value, error) { return parquet.BooleanValue(v.Bool()), nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.node, c.put = parquet.Int(64), func(v reflect.Value) (parquet.Value, error) { return parquet.Int64Value(v.Int()), nil }
	case reflect.Float32, reflect.Float64:
		c.node, c.put = parquet.Leaf(parquet.DoubleType), func(v reflect.Value) (parquet.Value, error) { return parquet.DoubleValue(v.Float()), nil }
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String && !t.Elem().Implements(jsonType) && !t.Elem().Implements(textType) {
			c.node = parquet.List(words(parquet.String()))
			return
		}
		c.node, c.put = words(parquet.JSON()), putJSON
	default:
		c.node, c.put = words(parquet.JSON()), putJSON
	}
}

// words is a column of texts that come again and again.
func words(of parquet.Node) parquet.Node { return parquet.Encoded(of, &parquet.RLEDictionary) }

// text is s as a value. What is no UTF-8, which a STRING must be, is replaced as encoding/json does.
func text(s string) parquet.Value { return parquet.ValueOf(strings.ToValidUTF8(s, "\ufffd")) }

const daySeconds = 24 * 60 * 60

func putDate(v reflect.Value) (parquet.Value, error) {
	days := v.Interface().(time.Time).Unix() / daySeconds
	return parquet.Int32Value(int32(days)), nil
}

func putTime(v reflect.Value) (parquet.Value, error) {
	return parquet.Int64Value(v.Interface().(time.Time).UnixMicro()), nil
}

func putJSON(v reflect.Value) (parquet.Value, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.Interface()); err != nil {
		return parquet.Value{}, err
	}
	return parquet.ByteArrayValue(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// append adds the field's values of a row to its others. column is the field's place.
func (c *field) append(to parquet.Row, row reflect.Value, column int) (parquet.Row, error) {
	v := row.FieldByIndex(c.index)
	if c.put == nil {
		return appendList(to, v, column), nil
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(to, parquet.NullValue().Level(0, 0, column)), nil
		}
		v = v.Elem()
	} else if c.optional && isZero(v) {
		return append(to, parquet.NullValue().Level(0, 0, column)), nil
	}
	value, err := c.put(v)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.name, err)
	}
	level := 0
	if c.optional {
		level = 1
	}
	return append(to, value.Level(0, level, column)), nil
}

// isZero is what omitempty and omitzero leave out.
func isZero(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t.IsZero()
		}
	}
	return v.IsZero()
}

func appendList(to parquet.Row, v reflect.Value, column int) parquet.Row {
	if v.Len() == 0 {
		return append(to, parquet.NullValue().Level(0, 0, column))
	}
	for i := range v.Len() {
		to = append(to, text(v.Index(i).String()).Level(min(i, 1), 1, column))
	}
	return to
}

// ordered is a group whose fields keep their order: [parquet.Group] sorts them by name.
type ordered struct {
	parquet.Group
	names []string
}

// Fields implements [parquet.Node].
func (o ordered) Fields() []parquet.Field {
	all := o.Group.Fields()
	out := make([]parquet.Field, 0, len(all))
	for _, name := range o.names {
		for _, f := range all {
			if f.Name() == name {
				out = append(out, f)
			}
		}
	}
	return out
}

func schemaOf(name string, fields []field) *parquet.Schema {
	o := ordered{Group: parquet.Group{}}
	for _, f := range fields {
		o.Group[f.name] = f.node
		o.names = append(o.names, f.name)
	}
	return parquet.NewSchema(name, o)
}
