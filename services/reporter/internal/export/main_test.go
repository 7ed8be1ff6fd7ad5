package export

import (
	"os"
	"testing"

	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

func TestMain(m *testing.M) { os.Exit(posturetest.Main(m)) }
