package imagetest

import "fmt"

// honestImage is a Debian base for a platform.
func honestImage(l *layoutWriter, architecture string) document {
	layer := l.blob(plainType, goodLayer())
	config := configuration(layer["digest"].(string)).with("architecture", architecture)
	image := l.manifest(l.blob(configType, config.bytes()), layer)
	return image.with("platform", document{"os": "linux", "architecture": architecture})
}

func indexCase(name, want string, write func(l *layoutWriter) document) Specimen {
	return Specimen{Name: name, Want: want, write: write}
}

// hostileIndexes are H25 and H30.
func hostileIndexes() []Specimen {
	return []Specimen{
		indexCase("H25 index that names itself", WantRefused, func(l *layoutWriter) document {
			own := "sha256:" + repeat("5", 64) // no document can hold its own digest: this one is claimed
			d := document{"mediaType": indexType, "digest": own, "size": 300}
			l.claimed(own, document{"schemaVersion": 2, "mediaType": indexType, "manifests": []document{d}}.bytes())
			return d
		}),
		indexCase("H25 indexes in a ring", WantRefused, func(l *layoutWriter) document {
			a := document{"mediaType": indexType, "digest": "sha256:" + repeat("6", 64), "size": 300}
			b := document{"mediaType": indexType, "digest": "sha256:" + repeat("7", 64), "size": 300}
			l.claimed(a["digest"].(string), document{"schemaVersion": 2, "mediaType": indexType, "manifests": []document{b}}.bytes())
			l.claimed(b["digest"].(string), document{"schemaVersion": 2, "mediaType": indexType, "manifests": []document{a}}.bytes())
			return a
		}),
		indexCase("H25 indexes 1,000 levels deep", WantRefused, func(l *layoutWriter) document { return deepIndex(l, 1000) }),
		indexCase("H25 indexes two levels deep", WantOK, func(l *layoutWriter) document { return deepIndex(l, 2) }),
		indexCase("H25 index of 257 children", WantRefused, func(l *layoutWriter) document { return l.index(children(l, 257)...) }),
		indexCase("H25 index of 20,000 children", WantRefused, func(l *layoutWriter) document { return l.index(children(l, 20_000)...) }),
		indexCase("H25 fan-out of 200 times 200", WantRefused, fanOut(200, 200)),
		indexCase("H25 index with a child twice", WantOK, func(l *layoutWriter) document {
			image := honestImage(l, "amd64")
			return l.index(image, image)
		}),
		indexCase("H25 index with a child that is not there", WantRefused, func(l *layoutWriter) document {
			return l.index(honestImage(l, "amd64"), document{"mediaType": manifestType, "digest": digestOf([]byte("no child")), "size": 8, "platform": document{"os": "linux", "architecture": "arm64"}})
		}),
		indexCase("H25 index without children", WantNoImage, func(l *layoutWriter) document { return l.index() }),
		indexCase("H30 attestations beside an image", WantOK, func(l *layoutWriter) document {
			unknown := document{"os": "unknown", "architecture": "unknown"}
			statement := l.manifest(l.blob(configType, configuration().bytes()), l.blob("application/vnd.in-toto+json", []byte(`{"_type":"x"}`)))
			return l.index(honestImage(l, "amd64"), statement.with("platform", unknown))
		}),
		indexCase("H30 200 platforms of one image", WantOK, func(l *layoutWriter) document {
			var all []document
			for i := range 200 {
				all = append(all, honestImage(l, "amd64").with("platform", document{"os": "linux", "architecture": fmt.Sprintf("arch%d", i)}))
			}
			return l.index(all...)
		}),
		indexCase("H30 platform that is another than the configuration's", WantOKPartial, func(l *layoutWriter) document {
			return l.index(honestImage(l, "amd64").with("platform", document{"os": "<script>", "architecture": repeat("x", 10_000), "variant": "\x1b[31m"}))
		}),
	}
}

// deepIndex is an image below so many indexes.
func deepIndex(l *layoutWriter, levels int) document {
	d := honestImage(l, "amd64")
	for range levels {
		d = l.index(d)
	}
	return d
}

// children are descriptors of manifests that are nowhere.
func children(l *layoutWriter, n int) []document {
	all := []document{honestImage(l, "amd64")}
	for i := 1; i < n; i++ {
		all = append(all, document{"mediaType": manifestType, "digest": digestOf(fmt.Appendf(nil, "child %d", i)), "size": 7})
	}
	return all
}

// fanOut is an index of indexes of small manifests, each a document of its own.
func fanOut(outer, inner int) func(*layoutWriter) document {
	return func(l *layoutWriter) document {
		var indexes []document
		for i := range outer {
			var all []document
			for j := range inner {
				all = append(all, document{"mediaType": manifestType, "digest": digestOf(fmt.Appendf(nil, "leaf %d %d", i, j)), "size": 7})
			}
			indexes = append(indexes, l.index(all...))
		}
		return l.index(indexes...)
	}
}
