package imagetest

import "fmt"

// written is a manifest of any bytes; its media type is what the index says of it.
func written(name, want, mediaType string, b func(l *layoutWriter) []byte) Specimen {
	return Specimen{Name: name, Want: want, write: func(l *layoutWriter) document { return l.blob(mediaType, b(l)) }}
}

// changed is an honest image's manifest after a change.
func changed(name, want, mediaType string, change func(l *layoutWriter, m document) document) Specimen {
	return written(name, want, mediaType, func(l *layoutWriter) []byte {
		layer := l.blob(plainType, goodLayer())
		return change(l, manifestOf(l.blob(configType, configuration(layer["digest"].(string)).bytes()), layer)).bytes()
	})
}

// hostileDocuments are H19, H24, H26, H28 and H29: manifests.
func hostileDocuments() []Specimen {
	text := func(name, body string) Specimen {
		return written("H24 manifest "+name, WantRefused, manifestType, func(*layoutWriter) []byte { return []byte(body) })
	}
	return append([]Specimen{
		text("that is HTML", "<html>500</html>"), text("that is empty", ""), text("that is null", "null"), text("that is an array", "[]"),
		text("a million levels deep", repeat(`{"a":`, 3<<20)), text("of blanks", repeat(" ", 1<<20)), text("of 9 MiB", `{"schemaVersion":2,"x":"`+repeat("x", 9<<20)+`"}`),
		changed("H24 manifest of 513 layers", WantRefused, manifestType, layersAgain(513)),
		changed("H24 manifest of 20,000 layers", WantRefused, manifestType, layersAgain(20_000)),
		changed("H24 manifest of 50,000 annotations", WantOK, manifestType, annotated),
		changed("H26 manifest and index at once", WantRefused, manifestType, func(l *layoutWriter, m document) document {
			return m.with("manifests", []document{l.image(layerBlob{b: goodLayer(), mediaType: plainType})})
		}),
		changed("H26 manifest and index at once, said to be an index", WantRefused, indexType, func(_ *layoutWriter, m document) document {
			return m.with("manifests", []document{}).with("mediaType", indexType)
		}),
		changed("H26 manifest that calls itself an index", WantRefused, manifestType, func(_ *layoutWriter, m document) document { return m.with("mediaType", indexType) }),
		changed("H26 manifest that is said to be an index", WantRefused, indexType, func(_ *layoutWriter, m document) document {
			return m.with("annotations", map[string]string{"case": "a digest of its own"})
		}),
		changed("H26 manifest of no media type, said to be an index", WantRefused, indexType, func(_ *layoutWriter, m document) document { return m.with("mediaType", "") }),
		changed("H26 media type with blanks", WantOKPartial, manifestType, func(_ *layoutWriter, m document) document { return m.with("mediaType", manifestType+" ") }),
	}, hostileLayerTypes()...)
}

func layersAgain(n int) func(*layoutWriter, document) document {
	return func(l *layoutWriter, m document) document {
		layers := make([]document, n)
		for i := range layers {
			layers[i] = m["layers"].([]document)[0]
		}
		return m.with("layers", layers)
	}
}

func annotated(_ *layoutWriter, m document) document {
	all := map[string]string{}
	for i := range 50_000 {
		all[fmt.Sprintf("example.invalid/a%d", i)] = "annotation of no use"
	}
	return m.with("annotations", all)
}

// hostileLayerTypes are H19, H28 and H29: what a manifest says of its layers.
func hostileLayerTypes() []Specimen {
	const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	const other = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	first := func(name, want string, change func(layer document) document) Specimen {
		return changed(name, want, manifestType, func(_ *layoutWriter, m document) document {
			layer := m["layers"].([]document)[0]
			return m.with("layers", []document{change(layer)})
		})
	}
	away := func(mediaType string) func(document) document {
		return func(layer document) document {
			gone := document{"mediaType": mediaType, "digest": digestOf([]byte("kept elsewhere " + mediaType)), "size": 20}
			return gone.with("urls", []string{"http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"})
		}
	}
	return []Specimen{
		first("H19 unknown kind of layer", WantOKPartial, func(l document) document { return l.with("mediaType", plainType+"+foo") }),
		first("H19 layer of no media type", WantOKPartial, func(l document) document { return l.with("mediaType", "") }),
		first("H19 layer said to be encrypted", WantOKPartial, func(l document) document { return l.with("mediaType", gzipType+"+encrypted") }),
		written("H19 encrypted layer", WantRefused, manifestType, func(l *layoutWriter) []byte {
			layer := l.blob(gzipType+"+encrypted", half("", 8<<10))
			return manifestOf(l.blob(configType, configuration(layer["digest"].(string)).bytes()), layer).bytes()
		}),
		first("H28 foreign layer that is elsewhere", WantRefused, away(foreign)),
		first("H28 layer that may not be distributed", WantRefused, away(other)),
		first("H28 URLs of a layer that is here", WantOK, func(l document) document { return l.with("urls", []string{"http://169.254.169.254/"}) }),
		written("H28 schema 1", WantRefused, "application/vnd.docker.distribution.manifest.v1+prettyjws", func(*layoutWriter) []byte {
			return document{"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": []document{{"blobSum": digestOf(nil)}}, "history": []document{{"v1Compatibility": "{}"}}}.bytes()
		}),
		first("H29 data that is another layer", WantOK, func(l document) document { return l.with("data", []byte("not these bytes")) }),
		first("H29 data of 1 MiB", WantOK, func(l document) document { return l.with("data", make([]byte, 1<<20)) }),
		first("H29 data that is no base64", WantOKPartial, func(l document) document { return l.with("data", "!!") }),
	}
}
