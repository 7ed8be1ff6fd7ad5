module github.com/plimsoll/plimsoll/services/internal

go 1.26.0

require github.com/plimsoll/plimsoll v0.0.0

require (
	github.com/google/go-containerregistry v0.22.1 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/plimsoll/plimsoll => ../../
