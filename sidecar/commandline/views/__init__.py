"""How results are shown to people: local times, tables, records, reports in words and bars."""
