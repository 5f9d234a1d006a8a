"""Parts of `make_rooms.py`: furniture libraries, materials, the building of a room, its rendering."""
