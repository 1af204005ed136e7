"""The parts of figures: sheets, pages, captions, panels, colour bars."""
