package imagetest

import (
	"bytes"
	"fmt"
)

// oddTexts are what a page, a log or a terminal may take for more than text.
var oddTexts = []struct{ name, value string }{
	{"markup", `<script>alert(1)</script>"><img src=x onerror=alert(1)>`},
	{"templates", "{{.}}{{template \"x\"}}${jndi:ldap://x.invalid/a}%s%n$(id)`id`"},
	{"escape sequences", "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;http://x.invalid\x07link\x9b31m"},
	{"line ends", "one\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\n"},
	{"text from right to left", "\u202eevil\u2066"},
	{"bytes that are no UTF-8", "\xff\xfe\xc0\xaf"},
}

// hostileWordsOfConfigs are H45: labels, environment and history.
func hostileWordsOfConfigs() []Specimen {
	with := func(name, want string, change func(c document) document) Specimen {
		return withConfig("H45 "+name, want, func(layer string) []byte {
			// A JSON writer mends what is no UTF-8; here it is broken again.
			return bytes.ReplaceAll(change(configuration(layer)).bytes(), []byte(`\ufffd`), []byte("\xff"))
		})
	}
	var all []Specimen
	for _, t := range oddTexts {
		all = append(all, with(t.name+" in labels, environment and history", WantOK, func(c document) document {
			c = c.with("config", document{"Labels": map[string]string{t.value: t.value, "org.opencontainers.image.title": t.value}, "Env": []string{"X=" + t.value}, "User": t.value, "Cmd": []string{t.value}})
			return c.with("author", t.value).with("variant", t.value).with("history", []document{{"created_by": t.value, "comment": t.value}})
		}))
	}
	labels := map[string]string{}
	for i := range 100_000 {
		labels[fmt.Sprintf("l%d", i)] = "v"
	}
	steps := make([]document, 50_000)
	for i := range steps {
		steps[i] = document{"created_by": "RUN true", "empty_layer": true}
	}
	steps = append(steps, document{"created_by": "COPY / /"})
	return append(all,
		with("label of 3 MiB", WantOKPartial, func(c document) document {
			return c.with("config", document{"Labels": map[string]string{"x": repeat("x", 3<<20), "y": "z"}})
		}),
		with("label of 10 MB", WantRefused, func(c document) document {
			return c.with("config", document{"Labels": map[string]string{"x": repeat("x", 10<<20)}})
		}),
		with("100,000 labels", WantOKPartial, func(c document) document { return c.with("config", document{"Labels": labels}) }),
		with("history of 50,000 steps", WantOKPartial, func(c document) document { return c.with("history", steps) }),
		with("history of more layers than there are", WantOKPartial, func(c document) document {
			return c.with("history", []document{{"created_by": "a"}, {"created_by": "b"}})
		}),
		with("time that is none", WantOKPartial, func(c document) document { return c.with("created", "99999-99-99T99:99:99Z") }),
	)
}
