package gunzip

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrHeader is returned when a member does not begin with a gzip header, or the header's own checksum is wrong; also
	// for what stands behind the last member, padding included (as in compress/gzip).
	ErrHeader = errors.New("gzip: invalid header")
	// ErrChecksum is returned when a member's CRC-32 or length differs from its trailer's. All its bytes were handed out.
	ErrChecksum = errors.New("gzip: invalid checksum")
	// ErrCorrupt is returned when a member's data is not DEFLATE. The bytes decodable before that were handed out.
	ErrCorrupt = errors.New("gzip: corrupt deflate data")
)

// The errors as returned: each wraps its sentinel and says what is wrong. They are made once, so that a hostile stream
// costs no allocation.
var (
	errMagic     = fmt.Errorf("%w: no gzip magic", ErrHeader)
	errMethod    = fmt.Errorf("%w: the compression method is not deflate", ErrHeader)
	errHeaderCRC = fmt.Errorf("%w: the header's CRC-16 differs", ErrHeader)

	errCRC  = fmt.Errorf("%w: the CRC-32 of the data differs from the trailer's", ErrChecksum)
	errSize = fmt.Errorf("%w: the length of the data differs from the trailer's", ErrChecksum)

	errBlockType   = fmt.Errorf("%w: reserved block type", ErrCorrupt)
	errStoredLen   = fmt.Errorf("%w: a stored block's length and its complement differ", ErrCorrupt)
	errTooMany     = fmt.Errorf("%w: more codes than the alphabet has", ErrCorrupt)
	errMetaCode    = fmt.Errorf("%w: the code of code lengths is no prefix code", ErrCorrupt)
	errLiteralCode = fmt.Errorf("%w: the literal and length code is no prefix code", ErrCorrupt)
	errDistCode    = fmt.Errorf("%w: the distance code is no prefix code", ErrCorrupt)
	errNoPrevious  = fmt.Errorf("%w: a repeat without a code length before it", ErrCorrupt)
	errRepeat      = fmt.Errorf("%w: a repeat beyond the last code length", ErrCorrupt)
	errSymbol      = fmt.Errorf("%w: bits that are no literal or length", ErrCorrupt)
	errDistance    = fmt.Errorf("%w: bits that are no distance", ErrCorrupt)
	errTooFar      = fmt.Errorf("%w: a distance beyond the first byte", ErrCorrupt)

	errSourceCount = errors.New("gzip: the source's Read returned an impossible count")
)

// noEOF turns the end of the source into io.ErrUnexpectedEOF and leaves other errors as they are.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
