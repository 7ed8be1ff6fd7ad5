package config

import (
	"reflect"
	"strings"
)

// envPrefix begins the variables that override fields: the field's name in capitals, dots as underscores.
const envPrefix = "PLIMSOLL_"

// secrets are the fields that no file holds. The environment may give them where a file for each is too much.
var secrets = map[string]func(*File) *string{
	"PLIMSOLL_BUCKET_SECRET_KEY": func(f *File) *string { return &f.Bucket.SecretKey },
	"PLIMSOLL_NATS_USER":         func(f *File) *string { return &f.NATS.User },
	"PLIMSOLL_NATS_PASSWORD":     func(f *File) *string { return &f.NATS.Password },
}

// environment overrides single values and lists of texts (comma between them); registries stand in the file alone.
// Other variables with the prefix are left alone, since Kubernetes makes some for a service called plimsoll, unless they
// look like a slip.
func (d *decoder) environment(env []string, f *File) {
	known := envFields(f)
	names := append(sortedNames(known), sortedNames(secrets)...)
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		field, ok := known[name]
		secret := secrets[name]
		switch {
		case ok:
			d.override(name, value, field)
		case secret != nil:
			*secret(f) = value
		default:
			if near := nearest(name, names); near != "" {
				d.fail(Fault{Where: "$" + clip(name), What: "unknown variable; did you mean " + near + "?"})
			}
		}
	}
}

func (d *decoder) override(env, value string, field envField) {
	d.sources[field.name] = env
	if field.v.Kind() == reflect.Slice {
		var list []string
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		field.v.Set(reflect.ValueOf(list))
		return
	}
	if value == "" {
		field.v.SetZero() // set to nothing: the default, whatever the file says
		return
	}
	if what := setScalar(field.v, value); what != "" {
		d.fail(Fault{Where: "$" + env, Field: field.name, What: what})
	}
}

type envField struct {
	name string // "reporter.active_days"
	v    reflect.Value
}

// envFields are the fields that a variable may override, by its name.
func envFields(f *File) map[string]envField {
	fields := map[string]envField{}
	walk(reflect.ValueOf(f).Elem(), "", func(name string, v reflect.Value) {
		fields[envName(name)] = envField{name, v}
	})
	return fields
}

func envName(field string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(field, ".", "_"))
}

// walk visits every field outside lists of structs.
func walk(v reflect.Value, field string, visit func(string, reflect.Value)) {
	for i := range v.NumField() {
		name := yamlName(v.Type().Field(i))
		if name == "" {
			continue
		}
		name = join(field, name)
		switch fv := v.Field(i); {
		case fv.Kind() == reflect.Struct:
			walk(fv, name, visit)
		case fv.Kind() == reflect.Slice && fv.Type().Elem().Kind() == reflect.Struct:
		default:
			visit(name, fv)
		}
	}
}
