package imagetest

// nodeCase is an installed package beside a file.
func nodeCase(name, want, path, body string) Case {
	good := Text("app/node_modules/lodash/package.json", packageJSON("lodash", "4.17.21", nil))
	return tarCase("H42 "+name, want, good, Text(path, body)).holds("lodash 4.17.21")
}

// giantNode is the same with a file that is larger than a reader should hold.
func giantNode(name, want, path string) Case {
	good := Text("app/node_modules/lodash/package.json", packageJSON("lodash", "4.17.21", nil))
	layer := squeezed(func(s *squeezer) {
		largeFile(s, path, `{"name":"hostile","version":"1","lockfileVersion":3,"x":"`, "x", 65, `"}`, good, marker())
	})
	return rawCase("H42 "+name, want, gzipType, layer).holds("lodash 4.17.21")
}

const (
	hiddenLock  = "srv/node_modules/.package-lock.json" // what npm says that it installed
	installed   = "app/node_modules/hostile/package.json"
	depsJSON    = "app/hostile.deps.json"
	wheelFolder = "usr/lib/python3/dist-packages/hostile-1.dist-info/METADATA"
)

// hostileJSON are H42: JSON of installed packages.
func hostileJSON() []Case {
	const bom = "\xef\xbb\xbf"
	lock := `{"lockfileVersion":3,"packages":{"node_modules/held":{"version":"1.0.0"}}}`
	return []Case{
		nodeCase("package.json a million levels deep", WantPartial, installed, repeat(`{"a":`, 5<<20)),
		nodeCase("package.json with arrays a million levels deep", WantPartial, installed, `{"name":"hostile","version":"1","x":`+repeat("[", 1<<20)),
		nodeCase("package.json cut", WantPartial, installed, `{"name":"hostile","vers`),
		giantNode("package.json of 65 MiB", WantPartial, installed),
		nodeCase("package.json that is no UTF-8", WantOKPartial, installed, "{\"name\":\"host\xffile\",\"version\":\"1\"}"),
		nodeCase("package.json in UTF-16", WantPartial, installed, "\xff\xfe{\x00\"\x00n\x00a\x00m\x00e\x00\"\x00:\x00\"\x00x\x00\"\x00}\x00"),
		nodeCase("package.json with a byte order mark", WantOKPartial, installed, bom+`{"name":"hostile","version":"1"}`),
		nodeCase("package.json with keys twice", WantOK, installed, `{"name":"first","version":"1","name":"second","version":"2"}`),
		nodeCase("package.json of other types", WantPartial, installed, `{"name":["hostile"],"version":{"a":1}}`),
		nodeCase("package.json of a number of a million digits", WantOKPartial, installed, `{"name":"hostile","version":"1","x":`+repeat("9", 1<<20)+`}`),
		nodeCase("package.json that is empty", WantPartial, installed, ""),
		nodeCase("package.json that is null", WantOKPartial, installed, "null"),
		nodeCase("lock a million levels deep", WantPartial, hiddenLock, `{"packages":`+repeat(`{"a":`, 5<<20)),
		nodeCase("lock with dependencies a hundred thousand levels deep", WantOKPartial, hiddenLock, nestedLock(100_000)),
		nodeCase("lock with a byte order mark", WantOKPartial, hiddenLock, bom+lock),
		nodeCase("lock with keys twice", WantOK, hiddenLock, `{"lockfileVersion":3,"packages":{"node_modules/held":{"version":"0"}},"packages":{"node_modules/held":{"version":"1.0.0"}}}`),
		nodeCase("lock that is an array", WantPartial, hiddenLock, "[]"),
		nodeCase("lock of no version", WantOKPartial, hiddenLock, `{"lockfileVersion":1e400}`),
		nodeCase("deps.json a million levels deep", WantPartial, depsJSON, `{"libraries":`+repeat(`{"a":`, 5<<20)),
		nodeCase("deps.json with an empty library", WantOKPartial, depsJSON, `{"libraries":{"":{"type":"package"},"/":{"type":"package"},"a":{"type":"package"}}}`),
		nodeCase("deps.json that is no UTF-8", WantOKPartial, depsJSON, "{\"libraries\":{\"a\xff/1\":{\"type\":\"package\"}}}"),
	}
}

// nestedLock is npm's older form, in which packages stand within each other.
func nestedLock(levels int) string {
	const open, end = `{"version":"1","dependencies":{"a":`, `}}`
	return `{"lockfileVersion":1,"dependencies":{"a":` + repeat(open, levels*len(open)) + `{"version":"1"}` + repeat(end, levels*len(end)) + `}}`
}
