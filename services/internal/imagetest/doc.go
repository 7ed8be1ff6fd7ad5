// Package imagetest makes container images from data in a program and serves them from a registry inside the process.
//
// It is for tests and for the demonstration: equal input gives equal bytes on every machine, nothing but [WriteLayout] touches the
// disk, and nothing here needs package testing. An image is made bottom up:
//
//	base := imagetest.Gzip(imagetest.Layer(imagetest.AlpineLike("3.20.3", imagetest.Package{Name: "musl", Version: "1.2.5-r0"})...))
//	app := imagetest.Gzip(imagetest.Layer(imagetest.NodeApp("shop", imagetest.Package{Name: "lodash", Version: "4.17.20"})...))
//	image, err := imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{base, app}})
//
//	registry := imagetest.NewRegistry(imagetest.RegistryOptions{})
//	err = registry.Start("127.0.0.1:0")
//	err = imagetest.Push(ctx, registry.Host(), "team/shop", "1", image)
//
// [Hostile] holds layers that break rules, each with the outcome that a reader of layers owes, [HostileContent] and [HostileText] sound
// layers with hostile files in them, and [Specimens] all of these and more as whole images, which the command in cmd/hostile writes
// for any scanner to read; cmd/peers runs several over them and makes a table.
package imagetest
