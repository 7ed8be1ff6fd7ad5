package imagetest

// hostileVersions are H43: what stands where a version should. Matching must come to an end and order them all the same; a package
// without a usable version is no package, and that is told.
func hostileVersions() []Case {
	var all []Case
	for _, v := range []struct{ name, version, want string }{
		{"empty", "", WantPartial},
		{"of blanks", "   ", WantPartial},
		{"of a million digits", repeat("9", 1<<20), WantPartial},
		{"of 4,000 digits", repeat("9", 4000), WantOK},
		{"with tildes at its end", "1.0~~", WantOK},
		{"of tildes alone", "~~~~", WantOK},
		{"with an epoch of 2^64", "18446744073709551616:1.0", WantOK},
		{"with an epoch below zero", "-1:1.0", WantOK},
		{"with two epochs", "1:2:3", WantOK},
		{"with an epoch alone", "1:", WantOK},
		{"of other scripts' digits", "١.٢.٣", WantOK},
		{"that is a range", ">=1.0, <2", WantOK},
		{"of dots and dashes", "...---...", WantOK},
		{"that is no UTF-8", "1.\xff\xfe", WantOKPartial},
		{"with a NUL", "1.0\x00.1", WantOKPartial},
		{"with control characters", "1\x1b[31m.0\x07", WantOKPartial},
	} {
		stanza := DpkgStanza(Package{Name: "odd", Version: v.version})
		all = append(all, tarCase("H43 version "+v.name, v.want, debianWith(DpkgStanza(honest)+stanza)...).holds(honestHeld))
	}
	return append(all, hostileNPMVersions()...)
}

func hostileNPMVersions() []Case {
	var all []Case
	for _, v := range []struct{ name, version, want string }{
		{"empty", "", WantOKPartial}, // npm's own private packages have none
		{"of 2^64", "18446744073709551616.0.0", WantOK},
		{"of a million digits", repeat("9", 1<<20) + ".0.0", WantPartial},
		{"that is a path", "file:../../etc", WantOK},
		{"of two hundred parts", repeat("1.", 400) + "0", WantOK},
	} {
		all = append(all, nodeCase("npm version "+v.name, v.want, installed, packageJSON("hostile", v.version, nil)))
		all[len(all)-1].Name = "H43 npm version " + v.name
	}
	return all
}
