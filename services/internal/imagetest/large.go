package imagetest

import (
	"fmt"
	"io"
)

// LargeSpecimens are the cases whose point is their size, in full: gigabytes when they are read, about 250 MB as stored. Making them
// takes about a minute.
func LargeSpecimens() []Specimen {
	filled := func(name, want, analyzer, path, head, filler string, mebibytes int, tail string) Specimen {
		return largeSpecimen(name, want, analyzer, func(s *squeezer) { largeFile(s, path, head, filler, mebibytes, tail, marker()) })
	}
	const dpkg, lock = "var/lib/dpkg/status", "app/node_modules/hostile/package.json"
	return []Specimen{
		largeSpecimen("H11 sparse map of five million regions", WantPartial, "tree", manyRegions(5_000_000)),
		largeSpecimen("H14 three million empty files", WantOK, "tree", manyFiles(3_000_000, 1000)),
		largeSpecimen("H15 200,000 files in one folder", WantOK, "tree", manyFiles(200_000, 200_000)),
		largeSpecimen("H16 bomb of 10 GB", WantPartial, "tree", zeros(10<<10, nil)),
		largeSpecimen("H16 bomb of 10 GB after 64 MiB of honest data", WantPartial, "tree", zeros(10<<10, half("x", 1<<20))),
		filled("H37 dpkg stanza of 1 GB", WantPartial, "packages", dpkg, "Package: fat\nStatus: install ok installed\nVersion: 1\nDescription: x", "\n more", 1024, "\n\n"),
		filled("H40 jar of 1 GB", WantPartial, "packages", "app/hostile.jar", "PK\x03\x04", "x", 1024, string(zipArchive(pom("lib")))),
		filled("H41 executable of 1 GB", WantOK, "packages", "usr/bin/hostile", string(elfFile{}.bytes()), "\x90\xc3", 1024, ""),
		filled("H42 package.json of 500 MB", WantPartial, "packages", lock, `{"name":"hostile","version":"1","x":"`, "x", 500, `"}`),
		filled("H47 one line of 500 MB", WantOKPartial, "secrets", "srv/hostile.js", "var a = '", "abcdefgh", 500, " "+PlantedSecret+"'\n"),
		largeSpecimen("H37 dpkg of a million packages", WantPartial, "packages", manyPackages(1_000_000)),
	}
}

// largeSpecimen is an image of one layer that is written as it is made.
func largeSpecimen(name, want, analyzer string, fill func(*squeezer)) Specimen {
	return Specimen{Name: name, Want: want, Analyzer: analyzer, write: func(l *layoutWriter) document {
		var diffID string
		layer := l.stream(gzipType, func(w io.Writer) error {
			s := newSqueezer(w)
			fill(s)
			diffID = fmt.Sprintf("sha256:%x", s.hash.Sum(nil))
			return s.close()
		})
		return l.manifest(l.blob(configType, configuration(diffID).bytes()), layer)
	}}
}

// zeros is a file of so many MiB of zeros, after 64 MiB of an honest file.
func zeros(mebibytes int, honest []byte) func(*squeezer) {
	return func(s *squeezer) {
		s.add(Entries(marker()))
		if honest != nil {
			s.add(Header{Name: "honest", Size: Octal(64 << 20)}.Block())
			s.again(honest, 64)
		}
		s.add(Header{Name: "zeros", Size: Base256(int64(mebibytes) << 20)}.Block())
		s.again(make([]byte, 1<<20), mebibytes)
		s.add(make([]byte, 2*blockSize))
	}
}

// manyFiles are empty ones, so many of them in each folder.
func manyFiles(n, each int) func(*squeezer) {
	const batch = 2000 // entries deflated at a time: 1 MB
	return func(s *squeezer) {
		s.add(Entries(marker()))
		var b []byte
		for i := range n {
			b = append(b, Header{Name: fmt.Sprintf("m/%04d/%x", i/each, i)}.Block()...)
			if (i+1)%batch == 0 || i == n-1 {
				s.add(b)
				b = b[:0]
			}
		}
		s.add(make([]byte, 2*blockSize))
	}
}

func manyRegions(n int) func(*squeezer) {
	return func(s *squeezer) {
		s.add(Entries(marker()))
		s.add(PAX("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "sparse", "GNU.sparse.realsize", "1000000000"))
		s.add(sparseFile(n))
		s.add(make([]byte, 2*blockSize))
	}
}

func manyPackages(n int) func(*squeezer) {
	return func(s *squeezer) {
		for _, part := range [][]byte{Entries(debianBase()...), Entries(Text("var/lib/dpkg/status", manyStanzas(n))), Entries(marker()), make([]byte, 2*blockSize)} {
			for len(part) > 0 {
				piece := part[:min(len(part), 1<<20)]
				s.add(piece)
				part = part[len(piece):]
			}
		}
	}
}
