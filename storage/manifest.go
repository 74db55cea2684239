package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// checkManifest returns an error if the manifest of a store, which lists its tables, was damaged so that
// Pebble would open an older state: it takes what it cannot read for the end of the manifest. That is right
// after lost power, because then a table that the manifest does not list yet was written from a log that is
// still there: Pebble numbers logs and tables in the order in which it creates them, and removes a log only
// when an entry that does not need it is on disk. So a table that is newer than all entries, and older than
// all logs that are needed, shows damage.
func checkManifest(fs vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, fs)
	if err != nil || !desc.Exists {
		return err
	}
	file, err := fs.Open(desc.ManifestFilename)
	if err != nil {
		return err
	}
	defer file.Close()
	last, err := lastEntry(file)
	if err != nil {
		return err
	}
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	oldest := uint64(math.MaxUint64) // of the logs that are needed
	for _, name := range names {
		if log, ok := numberOf(name, ".log"); ok && log >= last.log {
			oldest = min(oldest, log)
		}
	}
	for _, name := range names {
		if table, ok := numberOf(name, ".sst"); ok && last.next <= table && table < oldest {
			return fmt.Errorf("%w: its manifest %s lacks entries", errDamaged, fs.PathBase(desc.ManifestFilename))
		}
	}
	return nil
}

// numberOf returns the number in the name of a log or a table.
func numberOf(name, suffix string) (n uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// manifestEntry is what checkManifest reads of entries of a manifest.
type manifestEntry struct {
	log  uint64 // number of the oldest log that is needed beside the tables
	next uint64 // number that the next file gets
}

// lastEntry returns the latest numbers in a manifest, as far as Pebble reads that.
func lastEntry(manifest io.Reader) (last manifestEntry, err error) {
	entries := record.NewReader(manifest, 0)
	for {
		entry, err := entries.Next()
		if err == nil {
			var data []byte
			if data, err = io.ReadAll(entry); err == nil {
				last.read(data)
				continue
			}
		}
		if errors.Is(err, io.EOF) || record.IsInvalidRecord(err) {
			return last, nil
		}
		return last, err
	}
}

// Tags of fields of an entry, which has them in this order, before all others; each is a number, but that of
// the comparer is a length and a name. See VersionEdit in Pebble's internal/manifest.
const (
	tagComparer    = 1
	tagLog         = 2
	tagObsoleteLog = 9
	tagNextFile    = 3
)

// read sets the numbers that an entry has.
func (e *manifestEntry) read(entry []byte) {
	number := func() uint64 {
		n, size := binary.Uvarint(entry)
		entry = entry[max(size, 0):]
		return n
	}
	for len(entry) > 0 {
		switch tag := number(); tag {
		case tagComparer:
			n := number()
			entry = entry[min(n, uint64(len(entry))):]
		case tagLog:
			e.log = number()
		case tagObsoleteLog:
			number()
		case tagNextFile:
			e.next = number()
		default:
			return
		}
	}
}
