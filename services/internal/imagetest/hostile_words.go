package imagetest

// oddNames are names that do harm where they are taken for more than names: paths, markup, formulas, terminals.
var oddNames = []struct{ name, value string }{
	{"that is a path", "../../../../etc/passwd"},
	{"with blanks", "two words"},
	{"of pictures", "📦🔥"},
	{"written from right to left", "abc\u202egpj.exe"},
	{"with letters of no width", "lod\u200bash"},
	{"that is a formula", `=cmd|' /C calc'!A0`},
	{"that is markup", `"><script>alert(1)</script>`},
	{"that is a template", "{{.}}${jndi:ldap://x.invalid/a}%s%n"},
	{"that colours terminals", "\x1b[31mred\x1b]0;title\x07"},
	{"that breaks lines", "a\r\nSet-Cookie: b=c"},
	{"that is a URL", "pkg:npm/other@1?x=y#z"},
	{"with look-alikes", "lоdash"}, // the second letter is Cyrillic
}

// hostileWords are H44.
func hostileWords() []Case {
	var all []Case
	for _, n := range oddNames {
		c := nodeCase("", WantOK, installed, packageJSON(n.value, "1.0.0", nil))
		c.Name = "H44 npm name " + n.name
		all = append(all, c)
	}
	long := nodeCase("", WantPartial, installed, packageJSON(repeat("x", 64<<10), "1.0.0", nil))
	long.Name = "H44 npm name of 64 KiB"
	all = append(all, long)
	for _, n := range oddNames[:8] { // the others break lines, which dpkg's records are made of
		stanza := DpkgStanza(Package{Name: n.value, Version: "1.0"})
		all = append(all, tarCase("H44 dpkg name "+n.name, WantOKPartial, debianWith(DpkgStanza(honest)+stanza)...).holds(honestHeld))
	}
	jar := File{Name: "app/\u202e=cmd()-1.0.jar", Body: zipArchive(zipFile("META-INF/maven/x/y/pom.properties", "groupId=../..\nartifactId=<b>\nversion=1\n"))}
	return append(all, tarCase("H44 jar with odd coordinates", WantOKPartial, jar))
}
