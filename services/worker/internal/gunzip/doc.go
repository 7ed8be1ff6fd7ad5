// Package gunzip reads gzip streams (RFC 1952, of any number of members) with a DEFLATE decoder (RFC 1951) of its own.
//
// It exists because inflating is three quarters of what a layer costs: the CPU budget of a layer is 1.25 times "inflate
// and two sha256", so nothing else saves as much. The bytes and the verdict equal those of compress/gzip in its
// multistream mode; a differential fuzz test holds it to that. Three things differ on purpose:
//
//   - A name or a comment in a header may have any length: it is skipped in flat memory, not kept. compress/gzip refuses
//     512 bytes and more.
//   - A source without a single byte is io.ErrUnexpectedEOF at the first Read, where compress/gzip's constructor gives
//     io.EOF: nothing read is not an empty layer.
//   - Errors name what is wrong and no offset, so that the same bytes give the same text however the source cuts its reads.
//
// The listing is the flow: reader.go (the API), input.go (bytes and bits of the source), gzip.go (headers and trailers),
// inflate.go (blocks), dynamic.go and fixed.go (a block's codes), huffman.go and entry.go (their tables), codes.go (symbols
// one by one), fast.go (the quick loop over them).
package gunzip
