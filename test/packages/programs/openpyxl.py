import io

from openpyxl import Workbook, load_workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font


def main(args, context):
    book = Workbook()
    sheet = book.active
    sheet.title = "Sales"
    sheet.append(["month", "sum"])
    for row in (["Jan", 10], ["Feb", 20.5]):
        sheet.append(row)
    sheet["A1"].font = Font(bold=True)
    sheet["B4"] = "=SUM(B2:B3)"
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "D2")
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    again = load_workbook(file)["Sales"]
    return [[list(row) for row in again.iter_rows(values_only=True)], again["A1"].font.b, again.dimensions]
