"""The parts that figures are made of: sheets, pages, captions, pictures, colour bars."""
