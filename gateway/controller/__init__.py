"""The virtual controller: IEC 61131-3 Structured Text compiled to Python and served over real protocols."""
