package imagetest

// alpineBase is an Alpine base but for its database.
func alpineBase() []File {
	files := AlpineLike("3.20.3")
	return files[:len(files)-1]
}

// alpineWith is one with this database.
func alpineWith(db string) []File {
	return append(alpineBase(), Text("lib/apk/db/installed", db))
}

// hostileAPK are H39.
func hostileAPK() []Case {
	good := apkStanza(Package{Name: "musl", Version: "1.2.5-r0"})
	db := func(name, want, body string) Case {
		return tarCase("H39 "+name, want, alpineWith(body)...).holds("musl 1.2.5-r0")
	}
	v3 := "ADBd" + "\x00\x00\x00\x00" + repeat("\x78\x9c\x01", 4<<10) // the head of a version 3 database, deflated
	return []Case{
		db("apk line of 10 MB", WantOKPartial, good+"P:long\nV:1\nT:"+repeat("x", 10<<20)+"\n\n"),
		db("apk name of 10 MB", WantPartial, good+"P:"+repeat("x", 10<<20)+"\nV:1\n\n"),
		db("apk with a million files", WantOK, good+"P:files\nV:1\nA:x86_64\nF:usr\n"+repeat("R:f\n", 4<<20)+"\n"),
		db("apk without a name", WantPartial, good+"V:1\nA:x86_64\n\n"),
		db("apk with an empty version", WantPartial, good+"P:x\nV:\n\n"),
		db("apk lines without a colon", WantPartial, good+"P:x\nV:1\nno colon\n\n"),
		db("apk with NUL bytes", WantPartial, good+"\x00\x00\x00\x00\n\n"),
		db("apk without blank lines", WantPartial, good+repeat("P:glued\nV:1\n", 12_000)),
		db("apk cut in a record", WantPartial, good+"P:cut\nV"),
		tarCase("H39 apk version 3 database", WantPartial, alpineWith(v3)...),
		tarCase("H39 apk database is a device", WantPartial, append(alpineBase(), Device("lib/apk/db/installed", 1, 5))...),
	}
}
