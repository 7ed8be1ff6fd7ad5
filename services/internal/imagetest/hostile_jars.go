package imagetest

import (
	"fmt"
	"slices"
)

// pom is how Maven names the library that an archive holds.
func pom(artifact string) zipMember {
	return zipFile("META-INF/maven/org.example/"+artifact+"/pom.properties", "groupId=org.example\nartifactId="+artifact+"\nversion=1.2\n")
}

const libHeld = "org.example:lib 1.2"

// jarCase is a layer with one honest library beside the hostile one.
func jarCase(name, want string, jar []byte) Case {
	good := File{Name: "app/lib-1.2.jar", Body: zipArchive(zipFile("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nImplementation-Title: lib\nImplementation-Version: 1.2\n"), pom("lib"))}
	return tarCase("H40 "+name, want, good, File{Name: "app/hostile.jar", Body: jar}).holds(libHeld)
}

// hostileJars are H40: what archives within archives do.
func hostileJars() []Case {
	overlap := []zipMember{zipSqueezed("META-INF/maven/a/b/pom.properties", make([]byte, 1<<20))}
	inner := []zipMember{zipFile("inner0.jar", string(zipArchive(pom("deep"))))}
	for i := range 1000 {
		same, again := overlap[0], inner[0]
		same.at, same.name = 0, fmt.Sprintf("META-INF/maven/a/b%d/pom.properties", i)
		again.at, again.name = 0, fmt.Sprintf("inner%d.jar", i)
		overlap, inner = append(overlap, same), append(inner, again)
	}
	return []Case{
		jarCase("jar nested 4,000 levels", WantPartial, nested(4000)),
		jarCase("jar nested 7 levels", WantOK, nested(7)),
		jarCase("jars that double at each level", WantPartial, doubling(40)),
		jarCase("a thousand members on the same bytes", WantOKPartial, zipArchive(overlap...)),
		jarCase("a thousand jars on the same bytes", WantOKPartial, zipArchive(inner...)),
		jarCase("jar of 200,001 members", WantPartial, zipArchive(emptyMembers(200_001)...)),
		jarCase("manifest of 8 MiB", WantPartial, zipArchive(zipSqueezed("META-INF/MANIFEST.MF", repeated("A: b\n", 8<<20)))),
		jarCase("inner jar of a gigabyte", WantPartial, zipArchive(giant())),
	}
}

// nested is an archive in an archive, so often. Each level puts its header before and its directory behind what is there.
func nested(levels int) []byte {
	const name = "inner.jar"
	core := zipArchive(pom("deep"))
	head := len(zipFile(name, "").local())
	tail := len(zipArchive(zipFile(name, ""))) - head
	b := make([]byte, levels*(head+tail)+len(core))
	from, to := levels*head, levels*head+len(core)
	copy(b[from:], core)
	for range levels {
		m := zipMember{name: name, body: b[from:to], plain: b[from:to]}
		copy(b[from-head:], m.localHead())
		directory := m.central(0)
		copy(b[to:], append(directory, zipEnd(1, len(directory), head+len(m.body))...))
		from, to = from-head, to+tail
	}
	return b
}

// doubling is an archive that names the one below twice: small on disk, and without end for who opens both each time.
func doubling(levels int) []byte {
	b := zipArchive(pom("deep"))
	for range levels {
		one := zipFile("a.jar", string(b))
		two := one
		two.name, two.at = "b.jar", 0
		b = zipArchive(one, two)
	}
	return b
}

func emptyMembers(n int) []zipMember {
	all := make([]zipMember, n)
	for i := range all {
		all[i] = zipFile(fmt.Sprintf("%x", i), "")
	}
	return all
}

// giant is a nested archive that says that it inflates to a gigabyte, and does: one deflated MiB again and again.
func giant() zipMember {
	zeros := make([]byte, 1<<20)
	mebibyte := deflated(zeros)
	m := zipMember{name: "giant.jar", method: zipDeflated, size: 1 << 30, at: -1}
	for range 1 << 10 {
		m.body = append(m.body, mebibyte...)
	}
	m.body = lastBlock(m.body)
	return m
}

// hostileJarFields are H40: fields of an archive that lie.
func hostileJarFields() []Case {
	body, directory := zipParts([]zipMember{pom("other")})
	whole := slices.Concat(body, directory)
	end := zipEnd(1, len(directory), len(body))
	with := func(tail []byte) []byte { return slices.Concat(whole, tail) }
	lies := pom("other")
	lies.size, lies.extra = 0xffffffff, zip64Sizes(1<<62, 1<<62)
	short := zipSqueezed("META-INF/MANIFEST.MF", repeated("A: b\n", 8<<20))
	short.size = 10
	encrypted := pom("secret")
	encrypted.flags = zipEncrypted
	encrypted.body = half("", 12+len(encrypted.plain)) // twelve bytes of the cipher's own, then what no key opens here
	method := pom("odd")
	method.method = 99
	outside := []zipMember{zipFile("../../../../etc/cron.d/x", "x"), zipFile("/etc/passwd", "x"), zipFile(`..\x.jar`, string(zipArchive(pom("dots"))))}
	polyglot := append(zipArchive(pom("first")), zipArchive(pom("second"))...)
	return []Case{
		jarCase("end record of 65,535 members", WantPartial, with(zipEnd(0xfffe, len(directory), len(body)))),
		jarCase("end record of four billion members", WantPartial, with(zip64End(1<<32, uint64(len(directory)), uint64(len(body)), len(whole)))),
		jarCase("directory beyond the file", WantPartial, with(zipEnd(1, len(directory), 1<<31))),
		jarCase("64-bit directory beyond the file", WantPartial, with(zip64End(1, 1<<62, 1<<62, len(whole)))),
		jarCase("64-bit sizes of a member", WantPartial, zipArchive(lies)),
		jarCase("manifest larger than it says", WantPartial, zipArchive(short)),
		jarCase("bytes after the end record", WantOKPartial, append(with(end), repeat("junk", 4000)...)),
		jarCase("bytes before the first member", WantOKPartial, append([]byte(repeat("#!/bin/sh\n", 1000)), with(end)...)),
		jarCase("two end records", WantOKPartial, append(with(end), zipEnd(0, 0, 0)...)),
		jarCase("two archives in one file", WantOKPartial, polyglot),
		jarCase("names that leave the archive", WantOK, zipArchive(outside...)),
		jarCase("encrypted member", WantPartial, zipArchive(encrypted)),
		jarCase("unknown method", WantPartial, zipArchive(method)),
		jarCase("cut in the directory", WantPartial, cutBytes(zipArchive(emptyMembers(100)...))),
		jarCase("no archive at all", WantPartial, repeated("this is no archive\n", 4<<10)),
		jarCase("empty file", WantOKPartial, nil),
	}
}
